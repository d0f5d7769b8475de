-- Why an inbox gets no mail: the last words of the next hop, or ours, and the row of the log that has them.
alter table destination_state add column failing_reply text;
alter table destination_state add column failing_row blob;
-- When a report last came back for mail that its next hop had taken. A delivery does not end what was failing before it
-- while that is recent: the next hop takes everything, and hands it back afterwards.
alter table destination_state add column bounced_at integer;
