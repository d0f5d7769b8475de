//! The envelope: one reverse-path and the recipients (RFC 5321 §2.3.1).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Mailbox, ReversePath};

/// Who a message is from and to, as SMTP says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Envelope {
    /// `MAIL FROM`.
    #[schema(value_type = String)]
    pub from: ReversePath,
    /// `RCPT TO`.
    #[schema(value_type = Vec<String>)]
    pub to: Vec<Mailbox>,
}
