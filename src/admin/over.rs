//! Why nothing can be done any more with a message that is out of the queue, and what can be done instead.

use crate::policy::status::Status;
use crate::store::activity::Row;

/// In words that follow its id, and end no sentence; none while it is under way.
pub(super) fn why(row: &Row) -> Option<String> {
    if let Some(dsn) = row.dsn.as_ref().filter(|dsn| dsn.dsn == "sent") {
        return Some(if dsn.is_waiting() {
            format!("is kept no more: a report for its sender is {}", dsn.why)
        } else {
            "is kept no more: its sender was told that it failed, and can send it again".to_owned()
        });
    }
    let to = || row.destination.as_deref().unwrap_or("its inbox");
    Some(match row.status {
        Status::Queued | Status::Deferred | Status::Held => return None,
        Status::Forwarded => format!("was handed over to {}, and is kept here no more: look for it there", to()),
        Status::Cancelled => {
            "was cancelled, and with that deleted here: it cannot be sent any more. If it is wanted after all, \
                              ask its sender for it"
                .to_owned()
        }
        Status::Failed | Status::Expired => {
            "was given up, and is kept no more (queue.keep_failed says for how long). If it is \
                                             wanted after all, ask its sender for it"
                .to_owned()
        }
        Status::Dropped => "was dropped by its alias, and never kept".to_owned(),
        Status::Refused | Status::RefusedTemporarily => {
            "was refused, and never kept: its sender was told so".to_owned()
        }
        Status::Abandoned => {
            "is not kept here: its sender hung up before the answer, still has it, and sends it again".to_owned()
        }
        Status::Duplicate => "is a repeat of one that had come, and was never kept".to_owned(),
        Status::Consumed => "was a report, which was read and is kept no more".to_owned(),
    })
}
