-- A report that came back to an SRS address is told apart from mail that failed: it goes nowhere by itself. It was never tried,
-- and has no prefix.
update deliveries set purpose = 'returned'
    where purpose = 'forward' and state = 'kept' and tries = 0 and length(prefix) = 0;
