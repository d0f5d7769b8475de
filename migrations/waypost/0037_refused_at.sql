-- Of whom a mail about it came to nothing with: when that was found, in milliseconds by address (JSON). Who takes mail since is
-- written to again.
alter table notices add column refused_at text not null default '{}';
