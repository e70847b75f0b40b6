-- sql/schema/79-decision.sql: what was decided in the monthly review.

create table handoff.review_decision (
    contract_id int not null references handoff.contract on delete cascade,
    month       date not null,
    finding     text not null,
    decision    text not null,
    owner       text,
    due         date,
    version     int references handoff.contract on delete set null,
    num         bigint,
    den         bigint,
    primary key (contract_id, month, finding),
    constraint review_decision_month check (extract(day from month) = 1)
);

comment on table handoff.review_decision is 'Decisions of the monthly review, whose effect the next ones check: handoff.record_decision().';
comment on column handoff.review_decision.contract_id is 'Version of the contract that was reviewed.';
comment on column handoff.review_decision.month is 'Month that was reviewed, its first day, in the reporting zone.';
comment on column handoff.review_decision.finding is 'Finding that was decided on: monthly_review().finding.';
comment on column handoff.review_decision.decision is 'What was decided.';
comment on column handoff.review_decision.owner is 'Who sees to it.';
comment on column handoff.review_decision.due is 'Until when.';
comment on column handoff.review_decision.version is 'Version of the contract that carries the decision out, once there is one.';
comment on column handoff.review_decision.num is 'Numerator of the finding when it was decided on; NULL: it has none.';
comment on column handoff.review_decision.den is 'Its denominator.';
