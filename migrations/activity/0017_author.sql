-- Who a message says that it is from, as people read it: name and address. Not kept where its subject is not.
alter table activity add column author text;
