//! Much of what waits, sent to another inbox with one word. Each message goes by the rights, and with the consent of the inbox,
//! that it takes alone: whole or not at all, and what stays is told with the reason.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Access, Actor, Admin, AdminError, Area, Form, Result, fields};

/// What became of sending much elsewhere.
#[derive(Debug, Default)]
pub struct Redirected {
    /// How many messages are on their way.
    pub done: usize,
    /// Why others stay, and how many of them for that reason.
    pub left: Vec<(AdminError, usize)>,
}

impl Admin {
    /// Sends these of the queue to one inbox, at once. What is delivered or gone since it was listed is in neither number.
    pub async fn send_elsewhere(&self, actor: &Actor, ids: &[Uuid], inbox: &str) -> Result<Redirected> {
        actor.must(Area::Queue, Access::Write)?;
        let written = Map::from_iter([("destination".to_owned(), Value::from(inbox))]);
        let mut form = Form::new(&written);
        let to = form.optional("destination", fields::mailbox);
        form.finish()?;
        let (asked, mut sent) = (self.clock.instant(), Redirected::default());
        for id in ids {
            match self.send_again(actor, *id, (to.clone(), asked)).await {
                Ok(()) => sent.done += 1,
                Err(AdminError::NotFound(_)) => {}
                Err(AdminError::Unwell) => return Err(AdminError::Unwell),
                Err(why) => sent.stays(why),
            }
        }
        Ok(sent)
    }
}

impl Redirected {
    fn stays(&mut self, why: AdminError) {
        match self.left.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => self.left.push((why, 1)),
        }
    }
}
