-- bench/s3.sql: what capture adds to a bulk load. One round: each statement into a plain table and into
-- an attached one, in an order that changes with the round. Needs :rows, :round, :file.

select :round % 2 = 0 as captured_first \gset
\if :captured_first
    \set table captured
    \ir s3_load.sql
    \set table bare
    \ir s3_load.sql
\else
    \set table bare
    \ir s3_load.sql
    \set table captured
    \ir s3_load.sql
\endif
