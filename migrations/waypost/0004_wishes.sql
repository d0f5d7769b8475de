-- What the sender of a delivery wants to hear of it (RFC 3461: RET, ENVID, NOTIFY, ORCPT), JSON; null where nothing was said.
alter table deliveries add column wishes text;
