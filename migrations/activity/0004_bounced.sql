-- The list of what bounced is in the order of writing, whoever's it is.
create index activity_bounced on activity (seq) where bounced_at is not null;
drop index activity_by_bounce;
