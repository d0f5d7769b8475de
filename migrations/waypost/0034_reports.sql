-- Of a report of ours to a sender: the row of the log that it is about (of several, the first). Null for all other mail, and
-- for reports that an earlier release wrote.
alter table deliveries add column about blob;
-- What its last try came to (an attempt, JSON), for as long as it waits: a report has no row in the log that would say so.
alter table deliveries add column answer text;
