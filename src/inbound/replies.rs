//! The texts of the replies that the house itself gives: room, storage, time. None names a destination.

use crate::smtp::reply::Reply;

pub(super) fn no_room() -> Reply {
    Reply::new(452, 3, 1, "Not enough room for mail now, try again later")
}

pub(super) fn unwell() -> Reply {
    Reply::new(451, 3, 0, "Cannot take mail now, try again later")
}

pub(super) fn queue_full() -> Reply {
    Reply::new(452, 2, 2, "Too much mail is waiting for this domain, try again later")
}

pub(super) fn stopping() -> Reply {
    Reply::new(421, 3, 2, "Going down, try again in a moment")
}

pub(super) fn too_slow() -> Reply {
    Reply::new(421, 4, 2, "Waited too long for you, closing")
}

pub(super) fn send_separately() -> Reply {
    Reply::new(452, 5, 3, "Send separately: another policy holds for this recipient")
}

pub(super) fn report_apart() -> Reply {
    Reply::new(550, 5, 3, "Reports to this address take no other recipients")
}

pub(super) fn too_many_reports() -> Reply {
    Reply::new(550, 7, 1, "Too many reports to this address")
}

pub(super) fn taken(id: uuid::Uuid) -> Reply {
    Reply::new(250, 0, 0, format!("Taken as {id}"))
}
