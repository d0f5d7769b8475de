-- Inboxes that fail are asked for often, and are few.
create index destination_state_failing on destination_state (failing_since) where failing_since is not null;
