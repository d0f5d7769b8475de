//! What DNS says of one name and type, by the mouth of each of its name servers and of the configured resolver.

use serde::Serialize;
use utoipa::ToSchema;

/// What one server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// These values; none where there is no such record or name.
    Values(Vec<String>),
    /// Nothing that could be used, and why.
    Error(String),
}

impl Default for Said {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

impl Said {
    /// The values in a settled order, or why there are none.
    #[must_use]
    pub fn new(answer: Result<Vec<String>, String>) -> Self {
        match answer {
            Ok(mut values) => {
                values.sort();
                Self::Values(values)
            }
            Err(why) => Self::Error(why),
        }
    }

    /// The values, if it said any or none.
    #[must_use]
    pub fn values(&self) -> Option<&[String]> {
        match self {
            Self::Values(values) => Some(values),
            Self::Error(_) => None,
        }
    }
}

/// A name server, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Heard {
    /// Its name.
    pub server: String,
    /// Its words.
    #[serde(flatten)]
    pub said: Said,
}

/// All that was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// The domain's own name servers.
    pub servers: Vec<Heard>,
    /// The configured resolver.
    pub resolver: Said,
}

impl Answers {
    /// Nothing was heard of anybody, for this reason.
    #[must_use]
    pub fn unheard(why: &str) -> Self {
        Self { servers: Vec::new(), resolver: Said::Error(why.to_owned()) }
    }

    /// What counts: the first name server that answers, else the resolver.
    pub fn values(&self) -> Result<&[String], &str> {
        let server = self.servers.iter().find_map(|heard| heard.said.values());
        match (server, &self.resolver) {
            (Some(values), _) => Ok(values),
            (None, Said::Values(values)) => Ok(values),
            (None, Said::Error(why)) => Err(why),
        }
    }

    /// What is to be added to a verdict: that name servers contradict each other, or that the resolver still has an old
    /// answer.
    pub(super) fn remark(&self) -> Option<String> {
        let counts = self.values().ok()?;
        let other = self.servers.iter().find(|heard| heard.said.values().is_some_and(|values| values != counts));
        if let Some(heard) = other {
            return Some(format!("The name servers contradict each other: {} says otherwise.", heard.server));
        }
        let lags = !self.servers.is_empty() && self.resolver.values().is_some_and(|values| values != counts);
        lags.then(|| "Resolvers may still hold the old answer for a while.".to_owned())
    }
}

#[cfg(test)]
impl Answers {
    /// Everybody says the same.
    pub(super) fn all(values: &[&str]) -> Self {
        let said = Said::new(Ok(values.iter().map(|value| (*value).to_owned()).collect()));
        Self { servers: vec![Heard { server: "ns1.example".to_owned(), said: said.clone() }], resolver: said }
    }

    /// Nobody answers.
    pub(super) fn silent() -> Self {
        let said = Said::Error("timed out".to_owned());
        Self { servers: vec![Heard { server: "ns1.example".to_owned(), said: said.clone() }], resolver: said }
    }
}
