-- Aliases that end some day are few beside all the others, and are listed by themselves. In the order of the list, which
-- ends in id.
create index aliases_ending on aliases (id)
    where expires_at is not null or expires_after_messages is not null or expires_after_idle is not null;
