-- sql/extension/60-work.sql: what people do with a lead: accept, qualify, dispose, touch.
--
-- A CRM button, a bot or an app calls these; each waits for the lead, decides at once, and is an error
-- (LH041) when the contract forbids it. p_now and actor are for operators: others leave them out, and work
-- the leads that are theirs (LH042; src/flow/access.c).

create function handoff.act(
    lead_key text,
    name     text,
    outcome  text,
    code     text,
    note     text,
    override_reason text,
    leg      text,
    stage    text,
    rep      text,
    until    timestamptz,
    actor    text,
    p_now    timestamptz
) returns text
    language c volatile
    as 'MODULE_PATHNAME', 'lh_act_on_lead';
comment on function handoff.act(text, text, text, text, text, text, text, text, text, timestamptz, text, timestamptz) is
    'Does one thing with a lead: what accept(), qualify(), dispose(), hand_over(), set_stage(), override_work(), reassign() and claim() are words for. It takes the right to call the function of that name. actor: a rep, by key, e-mail address, CRM or chat id; NULL: whom the role stands for, else the role. Returns its stage afterwards. Errors: LH040 (no such lead that the caller may see), LH041, LH042 (another rep''s), LH012, 42501 (another time or actor, not for everybody).';

create function handoff.touch_lead(lead_key text, fields jsonb, at timestamptz, p_now timestamptz, rep text) returns text
    language c volatile
    as 'MODULE_PATHNAME', 'lh_touch_lead';
comment on function handoff.touch_lead(text, jsonb, timestamptz, timestamptz, text) is
    'Records an activity by hand: what touch() is a word for. Errors: LH040, LH042 (another rep''s), 22023 (at later than now), 42501.';

create function handoff.accept(lead_key text, code text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'accept', 'accepted', $2, null, null, null, null, null, null, $3, $4)
$$;
comment on function handoff.accept(text, text, text, timestamptz) is
    'Sales accepts the lead that was handed over (SAL). Returns its stage. Errors: LH040 (no such lead), LH041 (nothing handed over, accepted already, no such code).';

create function handoff.qualify(lead_key text, note text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'qualify', null, null, $2, null, null, null, null, null, $3, $4)
$$;
comment on function handoff.qualify(text, text, text, timestamptz) is
    'The SDR qualifies the lead for the next leg (SQL): it is handed over to the AE. Returns its stage. Errors: LH040, LH041 (not possible in its stage).';

create function handoff.recycle(lead_key text, code text, note text default null, until timestamptz default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'recycle', 'recycle', $2, $3, null, null, null, null, $4, $5, $6)
$$;
comment on function handoff.recycle(text, text, text, timestamptz, text, timestamptz) is
    'Gives the lead back to marketing for later: it comes back after its path''s delay, at until, or with a signal, as the next cycle. Returns its stage. Errors: LH040, LH041 (no such code, note or work missing, not possible in its stage), 22023 (until not in the future).';

create function handoff.disqualify(lead_key text, code text, note text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'disqualify', 'disqualified', $2, $3, null, null, null, null, null, $4, $5)
$$;
comment on function handoff.disqualify(text, text, text, text, timestamptz) is
    'Ends it: not a lead for us. Returns its stage. Errors: LH040, LH041 (no such code, note or work missing, not possible in its stage).';

create function handoff.return_lead(lead_key text, code text, note text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'return_lead', 'returned', $2, $3, null, null, null, null, null, $4, $5)
$$;
comment on function handoff.return_lead(text, text, text, text, timestamptz) is
    'The AE gives the lead back to the SDR who handed it on: this handoff closes as returned, the one of the leg before goes on with its last rep (while he is away his delegate; if he has left whom the routes find). Returns its stage. Errors: LH040, LH041 (no such code, note or work missing, not possible in its stage, nobody handed it on).';

create function handoff.dispose(lead_key text, code text, note text default null, until timestamptz default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'dispose', null, $2, $3, null, null, null, null, $4, $5, $6)
$$;
comment on function handoff.dispose(text, text, text, timestamptz, text, timestamptz) is
    'Gives the disposition of that code, whatever its outcome: accepted, recycle, disqualified, reroute (not mine: somebody else gets it), returned (AE to SDR), withdrawn (merged, test). Returns the stage. Errors: as of recycle().';

create function handoff.undispose(lead_key text, note text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'undispose', null, null, $2, null, null, null, null, null, $3, $4)
$$;
comment on function handoff.undispose(text, text, text, timestamptz) is
    'Takes the lead''s last disposition back, if it ended a handoff (recycle, disqualified, returned, withdrawn) not longer ago than the contract''s undispose_within: the handoff is open again with the same owner, in the same stage, its clocks due when they were. Returns that stage. Errors: LH040, LH041 (nothing to take back, too late, the lead has gone on, given in the CRM, its owner takes no leads any more, sales has the person as another lead).';

create function handoff.hand_over(lead_key text, leg text, reason text, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'hand_over', null, null, $3, null, $2, null, null, null, $4, $5)
$$;
comment on function handoff.hand_over(text, text, text, text, timestamptz) is
    'Passes a leg by hand, whatever the score says (origin manual, not counted in KPIs); gates still count. Returns the stage. Errors: LH040, LH041 (no way for that leg from its stage, a gate holds it).';

create function handoff.set_stage(lead_key text, stage text, reason text, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'set_stage', null, null, $3, null, null, $2, null, null, $4, $5)
$$;
comment on function handoff.set_stage(text, text, text, text, timestamptz) is
    'Puts the lead into a stage by hand, without a transition: an override, logged as one. No leg is passed; an open handoff ends as withdrawn if sales does not own that stage. Returns the stage. Errors: LH040, LH041 (no such stage, in it already).';

create function handoff.reassign(lead_key text, rep text, reason text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'reassign', null, null, $3, null, null, null, $2, null, $4, $5)
$$;
comment on function handoff.reassign(text, text, text, text, timestamptz) is
    'Gives a lead that was handed over to another rep, whatever routes, turns and capacities say. Clocks of the handoff run on, those of the assignment begin anew. Returns the stage. Errors: LH040, LH041 (nothing handed over, he has it already), 42704 (no such rep), 55000 (he is not active).';

create function handoff.claim(lead_key text, rep text default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'claim', null, null, null, null, null, null, $2, null, coalesce($3, $2), $4)
$$;
comment on function handoff.claim(text, text, text, timestamptz) is
    'A rep takes a lead that nobody has, or that fell to the last route of its leg. rep NULL: the rep that the role stands for. Who comes second gets LH041. Returns the stage. Errors: LH040, LH041 (nothing handed over, it has an owner), 42704 (no such rep), 55000 (he is not active), 22004 (no rep).';

create function handoff.touch(
    lead_key  text,
    kind      text,
    at        timestamptz default null,
    channel   text default null,
    direction text default null,
    outcome   text default null,
    rep       text default null,
    p_now     timestamptz default clock_timestamp()
) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.touch_lead($1, jsonb_strip_nulls(jsonb_build_object(
        'kind', $2, 'channel', $4, 'direction', $5, 'outcome', $6)), $3, $8, $7)
$$;
comment on function handoff.touch(text, text, timestamptz, text, text, text, text, timestamptz) is
    'Records a call, a mail, a meeting made without the CRM: an activity of kind and outcome as the contract''s activity rules know them, at a time (default: now) not in the future, by a rep (default: whom the role stands for, else the role). Returns the lead''s stage. Errors: LH040, LH042, 22023.';

revoke all on function handoff.act(text, text, text, text, text, text, text, text, text, timestamptz, text, timestamptz) from public;
revoke all on function handoff.touch_lead(text, jsonb, timestamptz, timestamptz, text) from public;
revoke all on function handoff.accept(text, text, text, timestamptz) from public;
revoke all on function handoff.qualify(text, text, text, timestamptz) from public;
revoke all on function handoff.recycle(text, text, text, timestamptz, text, timestamptz) from public;
revoke all on function handoff.disqualify(text, text, text, text, timestamptz) from public;
revoke all on function handoff.return_lead(text, text, text, text, timestamptz) from public;
revoke all on function handoff.dispose(text, text, text, timestamptz, text, timestamptz) from public;
revoke all on function handoff.undispose(text, text, text, timestamptz) from public;
revoke all on function handoff.hand_over(text, text, text, text, timestamptz) from public;
revoke all on function handoff.set_stage(text, text, text, text, timestamptz) from public;
revoke all on function handoff.touch(text, text, timestamptz, text, text, text, text, timestamptz) from public;
revoke all on function handoff.reassign(text, text, text, text, timestamptz) from public;
revoke all on function handoff.claim(text, text, text, timestamptz) from public;
