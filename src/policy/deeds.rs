//! What is written down of changes: every kind of entry that the audit log has, as it is stored there.

/// The kinds, and the word of each.
macro_rules! deeds {
    ($($(#[$meaning:meta])* $name:ident $word:literal)+) => {
        /// A kind of entry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Deed {
            $($(#[$meaning])* $name,)+
        }

        impl Deed {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As the audit log and the API write it: of what, and what was done to it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

deeds! {
    /// An alias was made, by somebody or by its first mail.
    AliasCreate "alias.create"
    /// What is set for an alias.
    AliasChange "alias.change"
    /// It was switched on.
    AliasEnable "alias.enable"
    /// It was switched off.
    AliasDisable "alias.disable"
    /// It is gone.
    AliasRemove "alias.remove"
    /// Many from a file.
    AliasImport "alias.import"
    /// A test message through the gateway's own door.
    AliasTrial "alias.trial"
    /// A domain is hosted here now.
    DomainAdd "domain.add"
    /// What is set for a domain.
    DomainSet "domain.set"
    /// It is proved to be somebody's.
    DomainVerify "domain.verify"
    /// What becomes of mail without an alias.
    DomainCatchAll "domain.catch_all"
    /// It is gone.
    DomainRemove "domain.remove"
    /// A claim that nobody had proved ended with somebody's proof.
    DomainGiveWay "domain.give_way"
    /// An inbox.
    DestinationAdd "destination.add"
    /// It was sent a mail that asks it.
    DestinationAsk "destination.ask"
    /// It may get mail.
    DestinationVerify "destination.verify"
    /// What waits for it is tried now.
    DestinationRetry "destination.retry"
    /// New aliases lead there.
    DestinationDefault "destination.default"
    /// Another took its place.
    DestinationReplace "destination.replace"
    /// And it took that place again.
    DestinationPutBack "destination.put_back"
    /// It is gone.
    DestinationRemove "destination.remove"
    /// An account.
    UserAdd "user.add"
    /// What is set for an account.
    UserChange "user.change"
    /// Its roles on domains of others.
    UserRoles "user.roles"
    /// It is gone.
    UserRemove "user.remove"
    /// A password was set.
    AccountPassword "account.password"
    /// A second factor is asked for.
    AccountTotpOn "account.totp_on"
    /// And is not any more.
    AccountTotpOff "account.totp_off"
    /// A token for programs.
    TokenCreate "token.create"
    /// It opens nothing any more.
    TokenRevoke "token.revoke"
    /// Somebody signed in.
    SessionOpen "session.open"
    /// Somebody was not let in.
    SessionRefused "session.refused"
    /// A session ended before its time.
    SessionEnd "session.end"
    /// A link that signs in.
    LinkCreate "link.create"
    /// A link that sets a password.
    LinkReset "link.reset"
    /// No mail could bring one.
    LinkUnsent "link.unsent"
    /// A delivery is tried now.
    QueueRetry "queue.retry"
    /// It waits until it is released.
    QueueHold "queue.hold"
    /// It goes on.
    QueueRelease "queue.release"
    /// It is not sent.
    QueueCancel "queue.cancel"
    /// It goes to another inbox.
    QueueResend "queue.resend"
    /// Somebody took a copy of the databases.
    BackupTake "backup.take"
    /// A mail that shows that notices arrive.
    NoticeTest "notice.test"
    /// What the gateway runs with.
    SettingsChange "settings.change"
}

impl Deed {
    /// Reads what [`Deed::as_str`] writes.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|deed| deed.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own() {
        for deed in Deed::ALL {
            assert_eq!(Deed::parse(deed.as_str()), Some(*deed));
        }
        assert_eq!(Deed::parse("moon.land_on"), None);
    }
}
