-- When each who was told was written to, and when the mail to each who refused was found to have come to nothing: in
-- milliseconds by address (JSON), in place of lists of addresses.
update notices set
    told = (select json_group_object(value, coalesce(told_at, began_at)) from json_each(told)),
    refused_at = (select json_group_object(value, coalesce(
        (select dated.value from json_each(refused_at) as dated where dated.key = refuser.value), told_at, began_at))
        from json_each(refused) as refuser);
alter table notices drop column refused;
alter table notices rename column refused_at to refused;
