"""Documents go to brokers, databases and web servers, and none is lost: messages, the spool, and the destinations."""
