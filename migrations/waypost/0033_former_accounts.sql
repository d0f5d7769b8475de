-- Who somebody was: the audit log tells of people who have left by the address that they signed in with.
create table former_accounts (
    id integer primary key,
    email text not null
) strict;

create trigger account_name_stays after delete on accounts when old.email is not null begin
    insert or replace into former_accounts (id, email) values (old.id, old.email);
end;
