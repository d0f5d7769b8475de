-- How many are held is asked for by every scrape of the metrics.
create index deliveries_held on deliveries (held_at) where state = 'held';
