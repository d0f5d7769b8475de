//! The texts that setup writes.

use super::answers::{Acme, Answers};

/// The service as it comes with the program.
pub(super) const UNIT: &str = include_str!("../../../config/waypost.service");

/// A good beginning for a handful of domains; the README names the same.
const LIMITS: &str = "\n[limits]\n\
connections_per_ip_per_minute = 60\n\
messages_per_ip_per_hour = 600\n\
unknown_recipients_per_ip_per_hour = 30\n\
messages_per_sender_domain_per_hour = 600\n\
messages_per_alias_per_hour = 300\n\
messages_per_destination_per_hour = 600\n";

/// The configuration of a first start.
pub(super) fn configuration(answers: &Answers) -> String {
    let mut text = format!(
        "# Written by waypost setup. `waypost check` shows every key with its value and its place.\n\
         hostname = \"{}\"\n\
         data_dir = \"/var/lib/waypost\"\n\
         \n\
         [smtp]\n\
         listen = [\"[::]:25\"]\n",
        answers.hostname
    );
    if let Acme::On { email, https, http } = &answers.acme {
        text.push_str(&by_acme(&answers.hostname, email.as_deref(), (*https, *http)));
    }
    if !answers.addresses.is_empty() {
        let addresses: Vec<String> = answers.addresses.iter().map(|address| format!("\"{address}\"")).collect();
        let known_by = "# What others see of this machine. Mail leaves by those of them that it has itself.";
        text.push_str(&format!("\n[delivery]\n{known_by}\nsource_addresses = [{}]\n", addresses.join(", ")));
    }
    if answers.limits {
        text.push_str(LIMITS);
    }
    text
}

/// The panel by HTTPS under the host's own name, and the certificate that both share.
fn by_acme(hostname: &str, email: Option<&str>, (https, http): (bool, bool)) -> String {
    let mut text = String::from("\n[http]\n");
    if https {
        text.push_str(&format!("https_listen = [\"[::]:443\"]\npublic_url = \"https://{hostname}\"\n"));
    }
    if http {
        text.push_str("http_redirect_listen = [\"[::]:80\"]\n");
    }
    text.push_str("\n[tls]\nacme = \"on\"\n");
    if let Some(email) = email {
        text.push_str(&format!("acme_email = \"{email}\"\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn loaded(answers: &Answers) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waypost.toml");
        std::fs::write(&path, configuration(answers)).unwrap();
        Config::load(Some(&path), &std::collections::BTreeMap::new()).unwrap().config
    }

    #[test]
    fn what_is_written_is_a_configuration_and_means_what_was_answered() {
        let least =
            Answers { hostname: "mx.example.org".to_owned(), addresses: Vec::new(), acme: Acme::Off, limits: false };
        let config = loaded(&least);
        assert_eq!((config.hostname.as_str(), config.smtp.listen[0].port()), ("mx.example.org", 25));
        assert_eq!(config.instance.abuse.limits, crate::policy::limits::Limits::default());
        let acme = Acme::On { email: Some("me@example.org".to_owned()), https: true, http: true };
        let address = "198.41.0.4".parse().unwrap();
        let most = Answers { addresses: vec![address], acme, limits: true, ..least };
        let config = loaded(&most);
        assert_eq!(config.http.public_url.as_deref(), Some("https://mx.example.org"));
        assert_eq!(config.delivery.source_addresses, [address]);
        assert_eq!(config.instance.abuse.limits, crate::policy::limits::PROPOSED);
    }
}
