-- Whose mail about a cause came to nothing (JSON): they are not those who were told.
alter table notices add column refused text not null default '[]';
