-- Which inboxes took mail lately is asked for by every look at what is wrong.
create index destination_state_taking on destination_state (last_delivered_at) where last_delivered_at is not null;
