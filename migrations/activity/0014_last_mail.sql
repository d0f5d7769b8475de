-- Aliases are listed by their last mail.
create index alias_counts_by_last_mail on alias_counts (last_mail_at) where last_mail_at is not null;
