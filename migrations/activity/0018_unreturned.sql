-- When the mail that an inbox failed last was taken, or refused; and how long its report took, where one came back.
alter table destination_state add column failed_at integer;
alter table destination_state add column report_took integer;
-- Since when it took mail that nobody handed back: of what came after the mail that failed last, the first that is known. Once
-- that is long enough ago, the failure is over.
alter table destination_state add column unreturned_since integer;
