-- sql/schema/10-define.sql: the contract and everything it defines.
--
-- Every table here is keyed by contract_id first, so that a whole contract is read, copied, compared
-- and checksummed as one thing. Rows of a draft may be edited freely; once the contract's status is
-- not 'draft' they never change again (triggers at the end; SQLSTATE LH010).
--
-- References between definitions are by name. Those that make no sense alone (a score rule without
-- its group, an escalation without its SLA) are foreign keys; the others are free while a draft is
-- edited, in any order, and handoff.validate() checks them before anything is published.
--
-- A column of type handoff.criteria that is NULL means: always true.

create table handoff.contract (
    contract_id    int not null,
    name           text not null default 'default',
    status         text not null default 'draft',
    checksum       text,
    half_life      interval,
    min_fit        int,
    max_fit        int,
    min_intent     int,
    max_intent     int,
    reporting_zone text not null default 'UTC',
    calendar       text,
    accept_on      text[] not null default '{explicit}',
    undispose_within interval not null default '1 hour',
    opportunity_window interval,
    parties        text[] not null default '{}',
    scope          handoff.criteria,
    traffic_share  numeric,
    max_per_day    int,
    effective      tstzmultirange not null default '{}',
    challenging    tstzmultirange not null default '{}',
    created_at     timestamptz not null default clock_timestamp(),
    published_at   timestamptz,
    published_by   text,
    in_force       boolean not null generated always as (status = 'published' and traffic_share is null) stored,
    note           text,
    primary key (contract_id),
    constraint contract_id_positive check (contract_id > 0),
    constraint contract_name_not_empty check (name <> ''),
    constraint contract_status check (status in ('draft', 'published', 'shadow', 'retired')),
    constraint contract_half_life check (
        half_life >= interval '1 hour'
        and extract(year from half_life) = 0
        and extract(month from half_life) = 0
    ),
    constraint contract_accept_on check (
        cardinality(accept_on) > 0
        and accept_on <@ array['explicit', 'first_touch', 'meeting', 'opportunity']
    ),
    constraint contract_undispose_within check (undispose_within >= interval '0'),
    constraint contract_opportunity_window check (opportunity_window > interval '0'),
    constraint contract_parties check (array_position(parties, null) is null),
    constraint contract_traffic_share check (traffic_share > 0 and traffic_share <= 1),
    constraint contract_challenger check (status <> 'published' or traffic_share < 1),
    constraint contract_max_per_day check (max_per_day > 0)
);

-- one champion, without a share, and one challenger
create unique index contract_in_force on handoff.contract (name, (traffic_share is null)) where status = 'published';

comment on table handoff.contract is 'The handoff contract, one row a version: who owns a lead when, what makes it ready, and what must happen next. Definitions of a version that is no longer a draft never change.';
comment on column handoff.contract.contract_id is 'The version: what every "version" argument means. Numbered over all contracts, max + 1.';
comment on column handoff.contract.name is 'Groups the versions of one contract. At most one version per name is published, and one challenger beside it.';
comment on column handoff.contract.status is 'draft (being edited), published (in force; with a traffic_share as a challenger), shadow (decides and logs, has no effects) or retired.';
comment on column handoff.contract.checksum is 'SHA-256, in hex, of the text of handoff.export(); set by publish(). Caches of compiled contracts are keyed by it.';
comment on column handoff.contract.half_life is 'Time in which intent points lose half their worth; at least an hour, days and hours only. NULL: intent stands still.';
comment on column handoff.contract.min_fit is 'Lower limit of the sum of all fit groups, in points. NULL: none.';
comment on column handoff.contract.max_fit is 'Upper limit of the sum of all fit groups, in points. NULL: none.';
comment on column handoff.contract.min_intent is 'Lower limit of the sum of all intent groups, in points. NULL: none.';
comment on column handoff.contract.max_intent is 'Upper limit of the sum of all intent groups, in points. NULL: none.';
comment on column handoff.contract.reporting_zone is 'IANA name of the time zone in which days and months are reported and in which criteria count days.';
comment on column handoff.contract.calendar is 'Name of the calendar for business time where neither the rep nor the pool has one. NULL: none.';
comment on column handoff.contract.accept_on is 'What counts as acceptance of a handoff: explicit, first_touch, meeting, opportunity; whichever comes first.';
comment on column handoff.contract.undispose_within is 'How long after a disposition has ended a handoff it may be taken back, in elapsed time: handoff.undispose(), or another status in the CRM. 0: never.';
comment on column handoff.contract.opportunity_window is 'An opportunity of the lead''s account that is created within so long after a handoff counts for the lead though no contact role or conversion names it. NULL: only those that do are.';
comment on column handoff.contract.parties is 'Who must approve a draft before it can be published, for example {marketing,sales}. Empty: nobody.';
comment on column handoff.contract.scope is 'Of a challenger: the leads that it shares with the champion, which decides all others; over lead fields that a source maps and those of the account. NULL: all leads. Not applied to a champion.';
comment on column handoff.contract.traffic_share is 'Of a challenger: the share of the leads in its scope that it decides, above 0 and below 1: those whose handoff.traffic_bucket() is below it. NULL (in a draft 1 too): no challenger. Once published it is changed by publish().';
comment on column handoff.contract.max_per_day is 'Most handoffs a day in the reporting zone, best leads first. NULL: no limit. Reserved: not applied yet.';
comment on column handoff.contract.effective is 'When the version was or is in force, half-open ranges; a rollback adds one. Not when it was a challenger.';
comment on column handoff.contract.challenging is 'When the version was or is a challenger, half-open ranges.';
comment on column handoff.contract.created_at is 'When the draft was made.';
comment on column handoff.contract.published_at is 'When the version was last published, by publish() or rollback(), or its share changed.';
comment on column handoff.contract.published_by is 'Role that published it last.';
comment on column handoff.contract.in_force is 'It decides all leads but those of its challenger: published, and none itself.';
comment on column handoff.contract.note is 'Free text; may change after publishing.';

create table handoff.field (
    contract_id int not null references handoff.contract on delete cascade,
    of          text not null,
    name        text not null,
    type        text not null,
    sliceable   boolean not null default false,
    description text,
    primary key (contract_id, of, name),
    constraint field_of check (of in ('lead', 'activity', 'account')),
    constraint field_name check (name collate "C" ~ '^[a-z_][a-z0-9_]{0,62}$'),
    constraint field_type check (type in ('text', 'boolean', 'bigint', 'numeric', 'date', 'timestamptz', 'text[]'))
);

comment on table handoff.field is 'Fields that criteria may name besides the built-in ones (handoff.builtin_fields()). Sources map their columns to them.';
comment on column handoff.field.contract_id is 'Version of the contract.';
comment on column handoff.field.of is 'What has the field: lead, activity or account. Criteria over leads name an account field as account.NAME.';
comment on column handoff.field.name is 'Lower case letters, digits and underscores; not the name of a built-in field.';
comment on column handoff.field.type is 'text, boolean, bigint, numeric, date, timestamptz or text[].';
comment on column handoff.field.sliceable is 'True: KPI views may be cut by it.';
comment on column handoff.field.description is 'Meaning in plain words, with its unit.';

create table handoff.derived (
    contract_id int not null references handoff.contract on delete cascade,
    field       text not null,
    ord         int not null,
    value       text not null,
    criteria    handoff.criteria,
    primary key (contract_id, field, ord),
    constraint derived_field check (field collate "C" ~ '^[a-z_][a-z0-9_]{0,62}$')
);

comment on table handoff.derived is 'Lead fields of type text that the contract computes: the value of the first row whose criteria is true, else NULL. Always sliceable; not declared in handoff.field. Fields are computed in the order of their lowest ord, then by name, and may use those before them.';
comment on column handoff.derived.contract_id is 'Version of the contract.';
comment on column handoff.derived.field is 'Name of the derived field, for example segment.';
comment on column handoff.derived.ord is 'Order in which the rows of a field are tried; the lowest one of a field also places the field among the derived fields.';
comment on column handoff.derived.value is 'Value of the field when this row is the first that holds.';
comment on column handoff.derived.criteria is 'Over lead fields known at input and derived fields before this one.';

create table handoff.stage (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    position    int not null,
    owner       text not null default 'none',
    entry       handoff.criteria,
    exit        handoff.criteria,
    required    text[] not null default '{}',
    max_age     interval,
    max_age_to  text,
    is_default  boolean not null default false,
    is_terminal boolean not null default false,
    primary key (contract_id, name),
    constraint stage_position_once unique (contract_id, position) deferrable,
    constraint stage_name_not_empty check (name <> ''),
    constraint stage_owner check (owner in ('marketing', 'sales', 'none')),
    constraint stage_max_age check (max_age > interval '0'),
    constraint stage_max_age_pair check ((max_age is null) = (max_age_to is null))
);

comment on table handoff.stage is 'Stages of a lead''s journey, each with the side that owns it.';
comment on column handoff.stage.contract_id is 'Version of the contract.';
comment on column handoff.stage.name is 'Name, for example mql.';
comment on column handoff.stage.position is 'Place in the journey, for display and for "forward" and "back".';
comment on column handoff.stage.owner is 'Side that owns a lead here: marketing, sales or none.';
comment on column handoff.stage.entry is 'Must hold for a lead to enter; over lead fields.';
comment on column handoff.stage.exit is 'Must hold for a lead to leave by a transition; over lead fields.';
comment on column handoff.stage.required is 'Lead fields that must be filled and valid to enter.';
comment on column handoff.stage.max_age is 'Longest stay, elapsed time. NULL: no limit (not allowed for a stage of sales that is not terminal).';
comment on column handoff.stage.max_age_to is 'Stage to which the maximum age leads.';
comment on column handoff.stage.is_default is 'True for the one stage in which a new lead begins.';
comment on column handoff.stage.is_terminal is 'True: the journey may end here.';

create table handoff.leg (
    contract_id  int not null references handoff.contract on delete cascade,
    name         text not null,
    ord          int not null,
    owner_from   text not null,
    owner_to     text not null,
    blocked_max  interval,
    blocked_then text not null default 'hand_over',
    primary key (contract_id, name),
    constraint leg_ord_once unique (contract_id, ord) deferrable,
    constraint leg_name_not_empty check (name <> ''),
    constraint leg_blocked_max check (blocked_max > interval '0'),
    constraint leg_blocked_then check (blocked_then in ('hand_over', 'recycle'))
);

comment on table handoff.leg is 'Points where the ownership of a lead passes. One pass of a leg is one handoff.';
comment on column handoff.leg.contract_id is 'Version of the contract.';
comment on column handoff.leg.name is 'Name, for example mql_to_sdr.';
comment on column handoff.leg.ord is 'Order of the legs; passing the first one again begins a new cycle.';
comment on column handoff.leg.owner_from is 'Team that hands over, for example marketing.';
comment on column handoff.leg.owner_to is 'Team that takes over, for example sdr.';
comment on column handoff.leg.blocked_max is 'Longest elapsed time that a lead ready for this leg waits for missing or invalid required fields. NULL: for ever.';
comment on column handoff.leg.blocked_then is 'What follows blocked_max: hand_over (flagged incomplete) or recycle.';

create table handoff.transition (
    contract_id int not null references handoff.contract on delete cascade,
    ord         int not null,
    from_stage  text not null,
    to_stage    text not null,
    event       text not null,
    guard       handoff.criteria,
    leg         text,
    primary key (contract_id, ord),
    constraint transition_moves check (from_stage <> to_stage),
    constraint transition_event check (event in (
        'scored', 'signal', 'accepted', 'qualified', 'recycled', 'disqualified', 'returned',
        'meeting', 'opportunity', 'won', 'lost', 'due', 'reengaged'
    ))
);

comment on table handoff.transition is 'The moves between stages that the contract allows. When its event happens, the first one by ord fires for which the exit of from_stage, the guard, the entry and the required fields of to_stage hold.';
comment on column handoff.transition.contract_id is 'Version of the contract.';
comment on column handoff.transition.ord is 'Order in which transitions are tried.';
comment on column handoff.transition.from_stage is 'Stage left.';
comment on column handoff.transition.to_stage is 'Stage entered.';
comment on column handoff.transition.event is 'scored, signal, accepted, qualified, recycled, disqualified, returned, meeting, opportunity, won, lost, due or reengaged.';
comment on column handoff.transition.guard is 'Must hold besides; over lead fields.';
comment on column handoff.transition.leg is 'Leg that is passed: a handoff is made and routed. NULL: ownership stays.';

create table handoff.gate (
    contract_id  int not null references handoff.contract on delete cascade,
    ord          int not null,
    leg          text,
    criteria     handoff.criteria not null,
    action       text not null,
    code         text not null,
    review_after interval not null default '1 day',
    primary key (contract_id, ord),
    constraint gate_action check (action in ('suppress', 'divert', 'hold', 'reject')),
    constraint gate_code_not_empty check (code <> ''),
    constraint gate_review_after check (review_after > interval '0')
);

comment on table handoff.gate is 'What keeps a lead from a leg although it is ready: the first gate by ord whose criteria is true acts. Gated leads are counted and visible.';
comment on column handoff.gate.contract_id is 'Version of the contract.';
comment on column handoff.gate.ord is 'Order in which gates are tried.';
comment on column handoff.gate.leg is 'Leg that the gate stands before. NULL: every leg and re-entry.';
comment on column handoff.gate.criteria is 'Who is stopped; over lead fields.';
comment on column handoff.gate.action is 'suppress (stays while the criteria holds), hold (the same, looked at again after review_after), reject (event disqualified with the code) or divert (to the owner of the customer or open opportunity).';
comment on column handoff.gate.code is 'Coded reason shown and counted.';
comment on column handoff.gate.review_after is 'For action hold: elapsed time after which the lead is decided again.';

create table handoff.validation (
    contract_id int not null references handoff.contract on delete cascade,
    field       text not null,
    ord         int not null default 1,
    criteria    handoff.criteria not null,
    message     text not null,
    primary key (contract_id, field, ord)
);

comment on table handoff.validation is 'What makes the value of a required field valid: all rules of the field must be true, else the field counts as missing.';
comment on column handoff.validation.contract_id is 'Version of the contract.';
comment on column handoff.validation.field is 'Lead field that is checked.';
comment on column handoff.validation.ord is 'Number of the rule within the field.';
comment on column handoff.validation.criteria is 'True for a valid value; over lead fields.';
comment on column handoff.validation.message is 'What is wrong when it is not true, in words for whoever must complete the lead.';

create table handoff.score_group (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    kind        text not null,
    min_points  int,
    max_points  int,
    primary key (contract_id, name),
    constraint score_group_kind check (kind in ('fit', 'intent'))
);

comment on table handoff.score_group is 'Groups of score rules, each kept within its own limits.';
comment on column handoff.score_group.contract_id is 'Version of the contract.';
comment on column handoff.score_group.name is 'Name, for example firmographic.';
comment on column handoff.score_group.kind is 'fit (who they are; over lead fields) or intent (what they do; over activity fields).';
comment on column handoff.score_group.min_points is 'Lower limit of the group''s sum, in points. NULL: none.';
comment on column handoff.score_group.max_points is 'Upper limit of the group''s sum, in points; for intent at the moment of each activity. NULL: none.';

create table handoff.score_rule (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    score_group text not null,
    criteria    handoff.criteria,
    points      int not null,
    primary key (contract_id, name),
    foreign key (contract_id, score_group) references handoff.score_group on delete cascade on update cascade
);

create index score_rule_group on handoff.score_rule (contract_id, score_group);

comment on table handoff.score_rule is 'Points for who a lead is (fit) or for each of its activities (intent). All matching rules count.';
comment on column handoff.score_rule.contract_id is 'Version of the contract.';
comment on column handoff.score_rule.name is 'Name shown when a score is explained.';
comment on column handoff.score_rule.score_group is 'Group that the points go to.';
comment on column handoff.score_rule.criteria is 'Fit: over lead fields known at input and derived ones. Intent: over activity fields.';
comment on column handoff.score_rule.points is 'Points, may be negative. Intent: for each matching activity, at its own time.';

create table handoff.band (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    ord         int not null,
    min_fit     int,
    min_intent  int,
    min_score   int,
    primary key (contract_id, name),
    constraint band_ord_once unique (contract_id, ord) deferrable,
    constraint band_name_not_empty check (name <> '')
);

comment on table handoff.band is 'Bands of the score: a lead is in the first one by ord all of whose minimums it reaches.';
comment on column handoff.band.contract_id is 'Version of the contract.';
comment on column handoff.band.name is 'Name, for example A.';
comment on column handoff.band.ord is 'Order in which bands are tried, best first.';
comment on column handoff.band.min_fit is 'Least fit, in points. NULL: any.';
comment on column handoff.band.min_intent is 'Least intent now, in points, rounded half up. NULL: any.';
comment on column handoff.band.min_score is 'Least score (fit + intent), in points. NULL: any.';

create table handoff.activity_rule (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    meaning     text not null,
    criteria    handoff.criteria,
    min_count   int not null default 1,
    within      interval,
    primary key (contract_id, name),
    constraint activity_rule_name_not_empty check (name <> ''),
    constraint activity_rule_meaning check (meaning in (
        'signal', 'touch', 'contact', 'booked', 'meeting_held', 'no_show', 'marketing'
    )),
    constraint activity_rule_min_count check (min_count > 0),
    constraint activity_rule_within check (within > interval '0'),
    constraint activity_rule_counts_signals check (meaning = 'signal' or (min_count = 1 and within is null))
);

comment on table handoff.activity_rule is 'What an activity means. One activity may mean several things.';
comment on column handoff.activity_rule.contract_id is 'Version of the contract.';
comment on column handoff.activity_rule.name is 'Name; for a signal the one that the lead field signals holds.';
comment on column handoff.activity_rule.meaning is 'signal (of the buyer), touch (one-way, by a human), contact (two-way), booked, meeting_held, no_show, or marketing (a marketing touch, for influence).';
comment on column handoff.activity_rule.criteria is 'Which activities; over activity fields.';
comment on column handoff.activity_rule.min_count is 'Signals only: how many activities it takes.';
comment on column handoff.activity_rule.within is 'Signals only: elapsed time within which they must lie, (now - within, now]. NULL: since the lead''s cycle began.';

create table handoff.route (
    contract_id    int not null references handoff.contract on delete cascade,
    name           text not null,
    ord            int not null,
    leg            text not null,
    criteria       handoff.criteria,
    target_kind    text not null,
    target         text,
    key_field      text,
    if_unavailable text not null default 'assign_ahead',
    primary key (contract_id, name),
    constraint route_ord_once unique (contract_id, leg, ord) deferrable,
    constraint route_name_not_empty check (name <> ''),
    constraint route_target_kind check (target_kind in (
        'rep', 'pool', 'account_owner', 'account_team', 'territory', 'previous_owner', 'crm_owner', 'booked_host'
    )),
    constraint route_target check (
        (target is not null) = (target_kind in ('rep', 'pool', 'account_team', 'territory'))
    ),
    constraint route_key_field check ((key_field is not null) = (target_kind = 'territory')),
    constraint route_if_unavailable check (if_unavailable in ('assign_ahead', 'hold', 'delegate', 'next'))
);

comment on table handoff.route is 'Who gets a lead: the first route by ord within the leg whose criteria is true decides the target; only structural reasons (no account, empty pool, ..) go on to the next. The last route of a leg always matches.';
comment on column handoff.route.contract_id is 'Version of the contract.';
comment on column handoff.route.name is 'Name shown when a route is explained.';
comment on column handoff.route.ord is 'Order within the leg.';
comment on column handoff.route.leg is 'Leg that is routed.';
comment on column handoff.route.criteria is 'Which leads; over lead fields.';
comment on column handoff.route.target_kind is 'rep, pool, account_owner, account_team, territory, previous_owner, crm_owner or booked_host.';
comment on column handoff.route.target is 'rep: its key; pool: its name; account_team: the role; territory: the map. NULL for the others.';
comment on column handoff.route.key_field is 'territory only: lead field whose value is looked up in the map.';
comment on column handoff.route.if_unavailable is 'When the target exists but nobody can take the lead now: assign_ahead, hold, delegate or next.';

create table handoff.sla (
    contract_id int not null references handoff.contract on delete cascade,
    name        text not null,
    ord         int not null,
    leg         text not null,
    metric      text not null,
    scope       text not null default 'lead',
    criteria    handoff.criteria,
    target      interval not null,
    clock       text not null default 'business',
    pause_when  handoff.criteria,
    primary key (contract_id, name),
    constraint sla_ord_once unique (contract_id, leg, metric, ord) deferrable,
    constraint sla_name_not_empty check (name <> ''),
    constraint sla_metric check (metric in (
        'accept', 'first_touch', 'next_touch', 'response', 'decision', 'meeting_held'
    )),
    constraint sla_scope check (scope in ('lead', 'assignment')),
    constraint sla_target check (target > interval '0'),
    constraint sla_clock check (clock in ('business', 'elapsed'))
);

comment on table handoff.sla is 'Time promised for a step of the work: the first SLA by ord within (leg, metric) whose criteria is true sets the clock.';
comment on column handoff.sla.contract_id is 'Version of the contract.';
comment on column handoff.sla.name is 'Name shown with the clock.';
comment on column handoff.sla.ord is 'Order within leg and metric.';
comment on column handoff.sla.leg is 'Leg whose handoffs are clocked.';
comment on column handoff.sla.metric is 'accept (handed to accepted or rejected), first_touch (handed to first human touch), next_touch, response (signal to next human touch), decision (accepted to outcome) or meeting_held.';
comment on column handoff.sla.scope is 'lead: the buyer''s wait, runs on through reassignment; assignment: starts afresh for each owner, for metrics accept and first_touch.';
comment on column handoff.sla.criteria is 'Which leads; over lead fields, when the clock starts.';
comment on column handoff.sla.target is 'Time allowed: business time or elapsed time, as clock says.';
comment on column handoff.sla.clock is 'business (open hours of the rep''s, else the pool''s, else the contract''s calendar) or elapsed (wall time).';
comment on column handoff.sla.pause_when is 'The clock pauses while this holds; over lead fields. NULL here means never.';

create table handoff.escalation (
    contract_id     int not null references handoff.contract on delete cascade,
    sla             text not null,
    step            int not null,
    offset_from_due interval not null,
    criteria        handoff.criteria,
    action          text not null,
    recipient       text,
    in_hours        boolean not null default false,
    code            text,
    max_hops        int not null default 2,
    sync_wait       interval not null default '1 hour',
    primary key (contract_id, sla, step),
    foreign key (contract_id, sla) references handoff.sla on delete cascade on update cascade,
    constraint escalation_step check (step > 0),
    constraint escalation_action check (action in ('remind', 'notify', 'reassign', 'fallback', 'recycle')),
    constraint escalation_recipient check ((action = 'notify') = (recipient is not null)),
    constraint escalation_code check ((action = 'recycle') = (code is not null)),
    constraint escalation_max_hops check (max_hops >= 0),
    constraint escalation_sync_wait check (sync_wait >= interval '0')
);

comment on table handoff.escalation is 'What happens around the due time of an SLA, step by step. Each step happens at most once a clock, and none once the work is done.';
comment on column handoff.escalation.contract_id is 'Version of the contract.';
comment on column handoff.escalation.sla is 'SLA that it belongs to.';
comment on column handoff.escalation.step is 'Number of the step within the SLA, from 1; steps happen in this order.';
comment on column handoff.escalation.offset_from_due is 'When, counted from the due time in the SLA''s own clock (business or elapsed time); negative: a warning before it.';
comment on column handoff.escalation.criteria is 'Which leads, when its time comes: a lead for which it is not true then passes the step over. Over lead fields.';
comment on column handoff.escalation.action is 'remind (the owner), notify (the recipient), reassign (to whom the routes find, without those who let it lie), fallback (to the last route of the leg) or recycle.';
comment on column handoff.escalation.recipient is 'For notify: manager (of the owner), pool_lead (of the pool that he was picked from), a rep, a name in handoff.recipient, or an address (with @, : or a leading #). NULL for the others.';
comment on column handoff.escalation.in_hours is 'True: waits for the next opening of the hours of whom it tells; where the lead is taken away, of the owner.';
comment on column handoff.escalation.code is 'For recycle: the disposition, of outcome recycle, that the handoff is closed with. What it asks for beforehand (note, work) is not asked. NULL for the others.';
comment on column handoff.escalation.max_hops is 'For reassign: how many owners of a handoff may lose it so; after that the lead goes to the last route of its leg instead.';
comment on column handoff.escalation.sync_wait is 'For reassign, fallback and recycle: longest elapsed time, from the step''s moment, that it waits for the sources of activities to have synced past that moment. After that it is done all the same.';

create table handoff.channel (
    contract_id    int not null references handoff.contract on delete cascade,
    name           text not null,
    also           text[] not null default '{}',
    forbidden_when handoff.criteria,
    primary key (contract_id, name),
    constraint channel_name_not_empty check (name <> ''),
    constraint channel_also check (array_position(also, null) is null and array_position(also, '') is null)
);

comment on table handoff.channel is 'Ways in which sales touches leads, and who must not be touched in them. A contract without any takes channels as activities name them, and forbids none.';
comment on column handoff.channel.contract_id is 'Version of the contract.';
comment on column handoff.channel.name is 'Name, for example call; upper and lower case are the same.';
comment on column handoff.channel.also is 'Other names that activities have for it, for example {phone}.';
comment on column handoff.channel.forbidden_when is 'Who must not be touched in it, for example do_not_call is true; over lead fields. For them it drops out of work standards and cadence. NULL here means nobody.';

create table handoff.work_standard (
    contract_id        int not null references handoff.contract on delete cascade,
    name               text not null,
    ord                int not null default 1,
    leg                text,
    criteria           handoff.criteria,
    min_touches        int not null default 0,
    min_channels       int not null default 0,
    min_contacts       int not null default 0,
    min_business_days  int not null default 0,
    min_gap            interval,
    counts_predecessor boolean not null default true,
    primary key (contract_id, name, ord),
    constraint work_standard_name_not_empty check (name <> ''),
    constraint work_standard_not_negative check (
        min_touches >= 0 and min_channels >= 0 and min_contacts >= 0 and min_business_days >= 0
    ),
    constraint work_standard_min_gap check (min_gap > interval '0')
);

comment on table handoff.work_standard is 'Work that must be done before a lead may be given up for a reason that names the standard (disposition.needs_work). Of the rows of one name the first by ord counts whose leg and criteria fit; if none fits, nothing is asked.';
comment on column handoff.work_standard.contract_id is 'Version of the contract.';
comment on column handoff.work_standard.name is 'Name that dispositions use.';
comment on column handoff.work_standard.ord is 'Order of the rows of one name.';
comment on column handoff.work_standard.leg is 'Leg whose handoffs it is for. NULL: every leg.';
comment on column handoff.work_standard.criteria is 'Which leads; over lead fields.';
comment on column handoff.work_standard.min_touches is 'Least number of human touches since the handoff.';
comment on column handoff.work_standard.min_channels is 'Least number of different channels among them. Channels that are forbidden for the lead don''t count, and no more are asked for than are left of handoff.channel; if none is left, nothing is asked at all.';
comment on column handoff.work_standard.min_contacts is 'Least number of two-way contacts.';
comment on column handoff.work_standard.min_business_days is 'Least number of different business days with a touch: dates that are open in the contract''s calendar, whatever the hour of the touch; hours after midnight are those of the shift that they belong to. Without a calendar: dates in the reporting zone.';
comment on column handoff.work_standard.min_gap is 'Touches closer than this elapsed time to the last one that counts count as one, for min_touches. NULL: each counts.';
comment on column handoff.work_standard.counts_predecessor is 'True: touches since the handoff count, whoever had it then. False: only those since the present owner has it.';

create table handoff.cadence_step (
    contract_id  int not null references handoff.contract on delete cascade,
    leg          text not null,
    step         int not null,
    business_day int not null,
    channel      text not null,
    primary key (contract_id, leg, step),
    constraint cadence_step_business_day check (business_day >= 0),
    constraint cadence_step_channel_not_empty check (channel <> '')
);

comment on table handoff.cadence_step is 'Rhythm of touches that the contract asks of the owner.';
comment on column handoff.cadence_step.contract_id is 'Version of the contract.';
comment on column handoff.cadence_step.leg is 'Leg whose handoffs are worked so.';
comment on column handoff.cadence_step.step is 'Number of the step within the leg.';
comment on column handoff.cadence_step.business_day is 'Business day counted from the handoff: day 0 is that of the first open moment from handed_at on, in the owner''s calendar (rep''s, else pool''s, else contract''s). The step is in time until that day''s closing.';
comment on column handoff.cadence_step.channel is 'Channel of the touch, for example call or email.';

create table handoff.recycle_path (
    contract_id   int not null references handoff.contract on delete cascade,
    name          text not null,
    delay         interval,
    to_stage      text not null,
    nurture_track text,
    reenter_on    text[] not null default '{}',
    reset_intent  boolean not null default false,
    max_cycles    int,
    exhausted_to  text,
    primary key (contract_id, name),
    constraint recycle_path_name_not_empty check (name <> ''),
    constraint recycle_path_delay check (delay > interval '0'),
    constraint recycle_path_max_cycles check (max_cycles > 0),
    constraint recycle_path_exhausted check ((max_cycles is null) = (exhausted_to is null))
);

comment on table handoff.recycle_path is 'What becomes of a recycled lead: how long it rests, on which track, and how it comes back.';
comment on column handoff.recycle_path.contract_id is 'Version of the contract.';
comment on column handoff.recycle_path.name is 'Name that dispositions use.';
comment on column handoff.recycle_path.delay is 'Rest, elapsed time, after which the lead returns by itself. NULL: only a signal of reenter_on brings it back.';
comment on column handoff.recycle_path.to_stage is 'Stage that it returns to.';
comment on column handoff.recycle_path.nurture_track is 'Name of the track for marketing automation, carried by the event.';
comment on column handoff.recycle_path.reenter_on is 'Signals (activity_rule names) that bring the lead back before the delay is over.';
comment on column handoff.recycle_path.reset_intent is 'True: intent begins again at zero.';
comment on column handoff.recycle_path.max_cycles is 'Most cycles of one lead on this path. NULL: no limit.';
comment on column handoff.recycle_path.exhausted_to is 'Stage after that, owned by marketing, which only a new signal leaves.';

create table handoff.disposition (
    contract_id  int not null references handoff.contract on delete cascade,
    code         text not null,
    leg          text,
    outcome      text not null,
    reason       text not null,
    no_response  boolean not null default false,
    needs_note   boolean not null default false,
    needs_work   text,
    returns_turn boolean not null default false,
    recycle_path text,
    reopen_on    text[] not null default '{}',
    on_violation text not null default 'record',
    primary key (contract_id, code),
    constraint disposition_code_not_empty check (code <> ''),
    constraint disposition_outcome check (outcome in (
        'accepted', 'recycle', 'disqualified', 'reroute', 'returned', 'withdrawn', 'lost'
    )),
    constraint disposition_on_violation check (on_violation in ('record', 'hold', 'revert'))
);

comment on table handoff.disposition is 'Codes with which sales answers a handoff, and what each demands and causes.';
comment on column handoff.disposition.contract_id is 'Version of the contract.';
comment on column handoff.disposition.code is 'Code, for example timing.';
comment on column handoff.disposition.leg is 'Leg that it is allowed on. NULL: every leg.';
comment on column handoff.disposition.outcome is 'accepted, recycle, disqualified, reroute (not mine: counts against routing, not the lead), returned (to the previous leg) withdrawn (out of all denominators) or lost (given by nobody: what follows when the opportunities of a lead are lost).';
comment on column handoff.disposition.reason is 'The reason in plain words, as reports show it.';
comment on column handoff.disposition.no_response is 'True: the buyer never answered. Must recycle and must name a work standard.';
comment on column handoff.disposition.needs_note is 'True: a note is mandatory.';
comment on column handoff.disposition.needs_work is 'Work standard (its name) that must be met first. NULL: none.';
comment on column handoff.disposition.returns_turn is 'True: the owner gets his turn in the pool back.';
comment on column handoff.disposition.recycle_path is 'Outcome recycle or lost: the path that the lead takes.';
comment on column handoff.disposition.reopen_on is 'Outcome disqualified: signals (activity_rule names) that reopen the lead all the same.';
comment on column handoff.disposition.on_violation is 'When the CRM sets it although the contract forbids it: record (it is taken all the same, as far as the lead can go that way), hold (it is not, its clocks stand still and the manager of its owner is told) or revert (it is not, and view writeback says what the status should be).';

create table handoff.crm_status (
    contract_id int not null references handoff.contract on delete cascade,
    value       text not null,
    ord         int not null,
    code        text,
    qualifies   boolean not null default false,
    stages      text[] not null default '{}',
    primary key (contract_id, value),
    constraint crm_status_ord_once unique (contract_id, ord) deferrable,
    constraint crm_status_value_not_empty check (value <> ''),
    constraint crm_status_asks_once check (not (qualifies and code is not null))
);

comment on table handoff.crm_status is 'What the status of a lead in the CRM means. When a sync brings another one for a known lead, it is as if the API had been called by the actor crm; backwards it is what view writeback writes.';
comment on column handoff.crm_status.contract_id is 'Version of the contract.';
comment on column handoff.crm_status.value is 'The status as the lead''s mapped field crm_status has it, letter by letter.';
comment on column handoff.crm_status.ord is 'Of several statuses for a stage the lowest is written to the CRM.';
comment on column handoff.crm_status.code is 'Disposition that is given when somebody sets the status. NULL: none.';
comment on column handoff.crm_status.qualifies is 'True: who sets it qualifies the lead for the next leg.';
comment on column handoff.crm_status.stages is 'Stages in which a lead has this status: there it says nothing new.';

create table handoff.collision (
    contract_id int not null references handoff.contract on delete cascade,
    scope       text not null,
    within      interval not null,
    action      text not null,
    primary key (contract_id, scope),
    constraint collision_scope check (scope in ('person', 'account')),
    constraint collision_within check (within > interval '0'),
    constraint collision_action check (action in ('join', 'same_owner', 'notify', 'block'))
);

comment on table handoff.collision is 'What happens when a lead is to be handed over while the same person or account has an open or recent handoff.';
comment on column handoff.collision.contract_id is 'Version of the contract.';
comment on column handoff.collision.scope is 'person or account.';
comment on column handoff.collision.within is 'How far back, elapsed time, a handoff counts as recent.';
comment on column handoff.collision.action is 'join (its activity goes to the open handoff), same_owner, notify or block.';

create table handoff.target (
    contract_id int not null references handoff.contract on delete cascade,
    metric      text not null,
    segment     text not null default '',
    period      daterange not null,
    value       numeric not null,
    owner       text not null,
    primary key (contract_id, metric, segment, period),
    constraint target_period check (not isempty(period))
);

comment on table handoff.target is 'What each side promises, for example volume by marketing and acceptance by sales. View target_attainment says what comes of it.';
comment on column handoff.target.contract_id is 'Version of the contract.';
comment on column handoff.target.metric is 'What is promised: a metric of handoff.target_metrics(), of all legs or of one: acceptance, acceptance of mql_to_sdr.';
comment on column handoff.target.segment is 'Segment (derived field segment at the handoff) that it is about; empty: all.';
comment on column handoff.target.period is 'Days that it is for together, in the reporting zone; open at an end: it is for each calendar month.';
comment on column handoff.target.value is 'At least so much: a number, or a share from 0 to 1.';
comment on column handoff.target.owner is 'Side that promises it, for example marketing.';

create table handoff.message_template (
    contract_id int not null references handoff.contract on delete cascade,
    event       text not null,
    locale      text not null default 'en',
    body        text not null,
    primary key (contract_id, event, locale)
);

comment on table handoff.message_template is 'Texts of messages, filled by handoff.message_text().';
comment on column handoff.message_template.contract_id is 'Version of the contract.';
comment on column handoff.message_template.event is 'Type of the message (handoff.assigned), or of the event that it tells of (assigned).';
comment on column handoff.message_template.locale is 'Language tag, for example en or de-AT.';
comment on column handoff.message_template.body is 'The text, with placeholders: {rep_name}, {fields.company} stand for what the message says there.';

-- Beside the contract, not part of its definition.

create table handoff.approval (
    contract_id int not null references handoff.contract on delete cascade,
    party       text not null,
    actor       text not null,
    at          timestamptz not null default clock_timestamp(),
    checksum    text not null,
    note        text,
    primary key (contract_id, party)
);

comment on table handoff.approval is 'Approvals of a draft by the parties that its contract names. An approval counts only for the text that was approved.';
comment on column handoff.approval.contract_id is 'Version of the contract.';
comment on column handoff.approval.party is 'Party that approves, one of contract.parties.';
comment on column handoff.approval.actor is 'Who approved for it.';
comment on column handoff.approval.at is 'When.';
comment on column handoff.approval.checksum is 'SHA-256, in hex, of the exported draft at that moment.';
comment on column handoff.approval.note is 'Free text.';

-- A definition stays as it was published. Statement triggers see all changed rows at once: an import
-- of thousands of routes reads the contract's fields once, not once a row.

create trigger keep_contract
    before update or delete on handoff.contract
    for each row execute function handoff.keep_contract();

create trigger keep_contract_truncate
    before truncate on handoff.contract
    for each statement execute function handoff.keep_truncated();

do $$
declare
    tab text;
begin
    foreach tab in array handoff.definition_tables() loop
        execute format('create trigger keep_inserted after insert on handoff.%I'
            ' referencing new table as new_row for each statement execute function handoff.keep_definition()', tab);
        execute format('create trigger keep_updated after update on handoff.%I'
            ' referencing old table as old_row new table as new_row for each statement execute function handoff.keep_definition()', tab);
        execute format('create trigger keep_deleted after delete on handoff.%I'
            ' referencing old table as old_row for each statement execute function handoff.keep_definition()', tab);
        execute format('create trigger keep_truncated before truncate on handoff.%I'
            ' for each statement execute function handoff.keep_truncated()', tab);
    end loop;
end
$$;
