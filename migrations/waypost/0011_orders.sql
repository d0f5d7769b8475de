-- Lists of destinations as they were made; these end in id.
create index destinations_by_account on destinations (account_id);
