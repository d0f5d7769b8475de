-- When, and from where, a token was used for the first time: whoever sets a program up with one waits for this.
alter table tokens add column first_used_at integer;
alter table tokens add column first_used_from text;
update tokens set first_used_at = last_used_at;
