-- Which domains and sites have the most is asked of a kind and a time, whatever their names.
create index counters_by_kind on counters (kind, span, start);
