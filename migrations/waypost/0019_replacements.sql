-- Destinations that are being put in the place of others, in more aliases than one transaction should hold; gone when none
-- is left. A start goes on with them.
create table replacements (
    old_id integer primary key references destinations (id) on delete cascade,
    new_id integer not null references destinations (id) on delete cascade
) strict;
