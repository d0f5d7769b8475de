-- Since when a delivery is held; says nothing in any other state. Of what is held already, nobody has written it down: since
-- it came, at the earliest.
alter table deliveries add column held_at integer;
update deliveries set held_at = (select received_at from messages where id = message_id) where state = 'held';
