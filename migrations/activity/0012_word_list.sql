-- Which words the search index has. Keeps nothing of its own.
create virtual table word_list using fts5vocab(words, instance);
