//! `POST /aliases/many`: the same change to the aliases that were chosen in the list. What is wrong with it is said there, and
//! what was chosen stays chosen.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::Request;
use axum::response::Response;

use crate::admin::{Actor, AdminError, Many};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::store::accounts::AuditSpan;

use super::alias_fields::entries;
use super::aliases::{self, Bulk};
use super::destinations::SURE;
use super::{forms, frame, sure, toast};

/// What was chosen, and what is to be done with it: a box that is ticked is a pair of its own.
type Pairs = Vec<(String, String)>;

/// `POST /aliases/many`.
pub(super) async fn change(
    State(site): State<Site>,
    Caller(actor): Caller,
    filled: Result<Form<Pairs>, FormRejection>,
) -> Response {
    let Ok(Form(pairs)) = filled else { return forms::unreadable() };
    let chosen: Vec<_> = pairs.iter().filter(|(key, _)| key == "id").map(|(_, id)| id.clone()).collect();
    match done(&site, &actor, (&chosen, &pairs)).await {
        Ok(span) => toast::noted(value(&pairs, "back"), span),
        Err(error @ AdminError::Invalid(_)) => {
            let ask = asked(value(&pairs, "back")).await;
            let bulk = Bulk {
                chosen,
                label: value(&pairs, "label").to_owned(),
                to: value(&pairs, "to").to_owned(),
                ..Bulk::default()
            };
            aliases::unchanged(&site, &actor, (&ask, bulk), &error).await
        }
        Err(error) => frame::failed(&error),
    }
}

async fn done(
    site: &Site,
    actor: &Actor,
    (chosen, pairs): (&[String], &Pairs),
) -> Result<Option<AuditSpan>, AdminError> {
    let what = wanted(pairs)?;
    if let Many::SendTo(to) = &what {
        sure::of_inboxes(site, actor, (value(pairs, SURE), to)).await?;
    }
    site.admin.change_many(actor, chosen, &what).await
}

/// What the list was asked for when it was left.
async fn asked(back: &str) -> Ask {
    let Ok(request) = Request::get(back).body(()) else { return Ask::default() };
    let Ok(ask) = Ask::from_request_parts(&mut request.into_parts().0, &()).await;
    ask
}

fn wanted(pairs: &Pairs) -> Result<Many, AdminError> {
    let labels = || match entries(value(pairs, "label")) {
        none if none.is_empty() => Err(AdminError::field("label", "write a label into this field first")),
        labels => Ok(labels),
    };
    let what = match value(pairs, "what") {
        "enter" => entered(pairs),
        // The one who says so twice presses a button of its own.
        "" if !value(pairs, SURE).is_empty() => "send",
        what => what,
    };
    Ok(match what {
        "" => return Err(AdminError::field("what", "press the button of what is to be done with them")),
        "enable" => Many::Enable,
        "disable" => Many::Disable,
        "remove" => Many::Remove,
        "label" => Many::Label(labels()?),
        "unlabel" => Many::Unlabel(labels()?),
        "send" => match entries(value(pairs, "to")) {
            to if to.is_empty() => {
                return Err(AdminError::field("destinations", "write the destination into this field first"));
            }
            to => Many::SendTo(to),
        },
        _ => return Err(forms::no_such_action()),
    })
}

/// What Enter means: the button beside the one field that is filled in.
fn entered(pairs: &Pairs) -> &'static str {
    match ["label", "to"].map(|key| value(pairs, key).trim().is_empty()) {
        [false, true] => "label",
        [true, false] => "send",
        _ => "",
    }
}

fn value<'p>(pairs: &'p Pairs, key: &str) -> &'p str {
    pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
}
