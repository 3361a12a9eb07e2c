/*
 * The protocol of referrals, as gateway/referral_sides.go has it, for the model
 * checker spin. `make model` goes through every order of events.
 *
 * One provider, who alone commits numbered states of one referral; one referrer,
 * who asks with the number of the last state it knew. The states, the acts and
 * who owns the next step are in table.pml, which is made from the table in Go.
 *
 * The network is a heap of everything that was ever sent. Nothing is taken off
 * it, so a message arrives never, once, often, late, and in any order. A crash
 * between a commit and its sending is a message that does not arrive.
 *
 * A side that is restored goes back to something that it was before: the provider
 * to any state that it ever had, the referrer to what it was when a backup was
 * made. A restored provider is another incarnation. It listens: until the referrer
 * has given back what it knows (recover), asks something that shows that it knows
 * of the incarnation, or says that it has nothing more to give back, the provider
 * takes and commits nothing. With -DALONE it may also go on without, at any moment.
 *
 * At any moment the storm may end. Then the two reach each other, and what each
 * does by itself must lead both to the same state, with nothing left to ask.
 *
 * Held at every step:
 *   - each (incarnation, number) is one state, made by the provider: one authority;
 *   - every state that is no end has one owner of the next step, who can do
 *     something about it; an end has none;
 *   - a request takes effect once at most in what the provider remembers, and only
 *     on the state that its maker knew;
 *   - a place that the referrer ever heard to be accepted is not lost by a restore
 *     of one side, of either: the referral stays booked until it ends. Where the
 *     provider went on alone it may be, but then that is shown (undone).
 *
 * Switches, to see that each rule is needed (spin must then find an error):
 *   -DDEAF    a restored provider does not listen, but goes on from its backup
 *   -DLATE    a referrer that heard of an incarnation still hears older ones
 *   -DTRUST   a referrer believes a later incarnation before it gave back what it knows
 *   -DBLIND   the provider does not look at the number that a request carries
 *   -DANY     the provider does not look at the incarnation that a request carries
 *   -DSILENT  a provider that went on alone does not show what that undid
 */

#ifndef NUMBERS
#define NUMBERS 5	/* states of the provider during the storm */
#endif
#ifndef ASKS
#define ASKS 2		/* requests that a person makes, with the referral itself */
#endif
#ifndef PROVIDER_RESTORES
#define PROVIDER_RESTORES 0
#endif
#ifndef REFERRER_RESTORES
#define REFERRER_RESTORES 0
#endif

#define ROOM		(NUMBERS + 8)	/* in one incarnation, with what calming down takes */
#define INCARNATIONS	(PROVIDER_RESTORES + 1)
#define REQUESTS	(ASKS + 6)	/* with those that are asked again */
#define ROUNDS		12
#define TELLS		4	/* that the referrer gives back what it knows */
#define TOLD		100	/* and from here on, in what is answered */
#define BOTH		(PROVIDER_RESTORES > 0 && REFERRER_RESTORES > 0 && provider_restores == 0 && referrer_restores == 0)	/* were restored */

mtype = { committed, stale, refused }

#include "table.pml"

typedef Standing {
	mtype status;
	byte number;
	byte answered;	/* the request that was answered last */
	mtype result
};

typedef Request {
	mtype act;
	byte seen;
	byte by;	/* the incarnation of that state; of refer the one that was heard of */
	mtype knew	/* the state whose number that is: only to check with */
};

/* the provider */
Standing p;
byte incarnation = 0;
bool listening = false;
bool went = false;	/* it went on from a backup without proof that the referrer knew no more */
byte base = 0;		/* from there */
bool alone = false;	/* and without having heard of it at all */
bool undone = false;	/* and shows that the referrer had known more */

/* the referrer: the last state it knows and the request that is open */
Standing f;
byte known = 0;		/* the incarnation of that state */
byte floor = 0;		/* older incarnations are not heard */
byte open = 0;
byte recovering = 0;	/* 1 + which of told is not answered */
Standing backup;
byte backup_known = 0;
byte backup_floor = 0;
byte backup_open = 0;
byte backup_recovering = 0;
bool backed = false;

/* the network */
Standing sent[INCARNATIONS * ROOM];
Request asked[REQUESTS];
byte requests = 0;
Standing told[TELLS];		/* with recover */
byte told_by[TELLS];		/* the incarnation of that */
byte told_to[TELLS];
byte tells = 0;

/* what there may be of it */
byte provider_restores = PROVIDER_RESTORES;
byte referrer_restores = REFERRER_RESTORES;
byte rounds = 0;

/* only to check with */
bool heard = false;	/* that a place was accepted */
byte effects[REQUESTS];

/* scratch, 0 outside a step */
hidden mtype from;
hidden mtype to;
hidden mtype act;
hidden byte i;
hidden byte limit;
hidden byte q;
hidden byte was;
hidden byte later;

#define AT(inc, n)	((inc) * ROOM + (n))
#define copy(a, b)	a.status = b.status; a.number = b.number; a.answered = b.answered; a.result = b.result
#define wipe(a)		a.status = 0; a.number = 0; a.answered = 0; a.result = 0
#define SAME(a, b)	(a.status == b.status && a.number == b.number && a.answered == b.answered && a.result == b.result)


/* the provider has committed p */
inline say() {
	assert(p.number < ROOM && sent[AT(incarnation, p.number)].number == 0);
	copy(sent[AT(incarnation, p.number)], p);
	printf("provider %d: number %d %e, answered %d: %e\n", incarnation, p.number, p.status, p.answered, p.result);
	assert((OWNER(p.status) == nobody) == FINAL(p.status));
	assert(FINAL(p.status) || CAN(OWNER(p.status), p.status));
	assert(!heard || alone || BOOKED(p.status) || FINAL(p.status))
}

/* the provider sends p again, as the present incarnation */
inline restate() {
	copy(sent[AT(incarnation, p.number)], p)
}

/* whether request i is of the state before p, whose number was just raised */
#ifdef BLIND
#define FITS(i)		true
#else
#ifdef ANY
#define FITS(i)		(asked[i].seen + 1 == p.number)
#else
#define FITS(i)		(asked[i].seen + 1 == p.number && asked[i].by == incarnation)
#endif
#endif

/* the provider takes request i: Provided.Take */
inline take() {
	if
#ifndef ANY
	:: listening && asked[i].by == incarnation -> listening = false; went = false
#endif
	:: else
	fi;
	if
	:: listening
	:: !listening && p.answered == i + 1 -> restate()
	:: !listening && p.answered != i + 1 && p.number == 0 && (asked[i].act != a_refer || asked[i].by != incarnation)
	:: else ->
		from = p.status; act = asked[i].act; next();
		p.number++;
		p.answered = i + 1;
		if
		:: to != s_none && FITS(i) ->
			assert(asked[i].knew == p.status || (BOTH && alone));
			assert(effects[i] == 0);
			effects[i]++;
			p.status = to; p.result = committed
		:: else ->
			if
			:: FITS(i) -> p.result = refused
			:: else -> p.result = stale
			fi
		fi;
		say()
	fi
}

/* the referrer asks for act: Follow.Ask. While it gives back what it knows the
   request waits: it is asked again when that is answered. */
inline ask() {
	asked[requests].act = act; asked[requests].seen = f.number; asked[requests].knew = f.status;
	if
	:: f.number == 0 -> asked[requests].by = floor
	:: else -> asked[requests].by = known
	fi;
	requests++;
	open = requests;
	printf("referrer asks %d: %e, seen %d of %d\n", open, act, f.number, known)
}

inline again() {
	act = asked[open - 1].act;
	open = 0;
	from = f.status; next();
	if
	:: to != s_none -> ask()
	:: else
	fi
}

/* the referrer hears state i of incarnation q: Follow.Hear, and store.hear */
inline hear() {
	if
#ifndef TRUST
	:: recovering == 0 && f.number > 0 && q > known -> tell()
#endif
	:: recovering > 0 && q > known && sent[AT(q, i)].answered != TOLD + recovering
	:: else ->
		if
		:: (q == known && sent[AT(q, i)].number > f.number) || (q > known) ->
			copy(f, sent[AT(q, i)]);
			known = q;
			was = recovering; recovering = 0;
			printf("referrer hears %d: number %d %e\n", q, f.number, f.status);
			heard = heard || (BOOKED(f.status) && !BOTH);
			if
			:: open == 0
			:: open != 0 && f.answered != open && FINAL(f.status) -> open = 0
			:: open != 0 && f.answered != open && !FINAL(f.status) ->
				if
				:: was > 0 -> again()
				:: else
				fi
			:: open != 0 && f.answered == open ->
				if
				:: f.result == stale -> again()
				:: else -> open = 0
				fi
			fi
		:: else
		fi
	fi
}

/* the referrer gives back what it knows to an incarnation that is new to it */
inline tell() {
	copy(told[tells], f);
	told_by[tells] = known; told_to[tells] = incarnation;
	tells++;
	recovering = tells;
#ifndef LATE
	floor = incarnation;
#endif
	printf("referrer gives back number %d\n", f.number)
}

/* the referrer hears of the provider's incarnation by a hello */
inline learn() {
#ifndef LATE
	floor = incarnation;
#endif
	if
	:: f.number > 0 && known < incarnation -> tell()
	:: f.number == 0 && open > 0 -> asked[open - 1].by = incarnation
	:: else
	fi
}

/* its hello says that it has nothing more to give back */
#define GIVEN		(floor == incarnation && (f.number == 0 || known == incarnation))

inline go_on() {
	if
	:: listening -> listening = false; went = true; base = p.number
	:: else
	fi
}

/* the provider is given back told[i]: Provided.TakeBack */
inline recover() {
	if
	:: told_to[i] != incarnation || p.answered == TOLD + i + 1
	:: else ->
		if
		:: listening -> base = p.number
		:: else
		fi;
		later = told_by[i] < incarnation && (listening || went || p.number == 0) && told[i].number > base;
		printf("provider hears that the referrer knew number %d\n", told[i].number);
		if
		:: later && p.number != base ->
#ifndef SILENT
			undone = true;
#endif
			p.result = refused
		:: later && p.number == base ->
			copy(p, told[i]);
			p.result = committed
		:: else -> p.result = committed
		fi;
		if
		:: told[i].number > p.number && later -> p.number = told[i].number
		:: else
		fi;
		p.number++;
		p.answered = TOLD + i + 1;
		listening = false; went = false; base = 0;
		say()
	fi
}

/* what took effect since the backup may have to take effect again */
inline forget() {
	i = 0;
	do
	:: i < REQUESTS -> effects[i] = 0; i++
	:: else -> break
	od
}

inline storm() {
	if
	/* somebody at the provider does something */
	:: !listening && p.number > 0 && p.number < NUMBERS ->
		from = p.status; own();
		if
		:: to != s_none -> p.number++; p.status = to; say()
		:: else
		fi
	/* somebody at the referrer does something */
	:: open == 0 && requests < ASKS && (requests == 0 || f.number > 0) ->
		if
		:: requests == 0 -> act = a_refer; ask()
		:: requests > 0 ->
			from = f.status; wish();
			if
			:: to != s_none -> ask()
			:: else
			fi
		fi
	/* a request arrives */
	:: p.number < NUMBERS && requests > 0 ->
		limit = requests; pick();
		take()
	/* a state arrives */
	:: requests < REQUESTS - 2 && tells < TELLS - 2 ->
		if
		:: true -> q = 0
#if PROVIDER_RESTORES > 0
		:: incarnation > 0 -> q = 1
#endif
		fi;
		if
		:: q >= floor ->
			limit = NUMBERS + 2; pick();
			if
			:: sent[AT(q, i)].number > 0 -> hear()
			:: else
			fi
		:: else
		fi
#if PROVIDER_RESTORES > 0
	:: provider_restores > 0 && p.number > 0 ->
		provider_restores--;
		limit = p.number + 1; pick();
		copy(p, sent[AT(incarnation, i)]);
		if
		:: i == 0 -> p.status = s_none
		:: else
		fi;
		incarnation++;
		printf("provider goes back to number %d\n", p.number);
		forget();
#ifdef DEAF
		went = true; base = p.number;
#else
		listening = true;
#endif
		heard = heard && !BOTH
	/* the referrer hears of another incarnation, and says what it knows */
	:: incarnation > floor && tells < TELLS - 2 -> learn()
	:: tells > 0 && p.number < NUMBERS ->
		limit = tells; pick();
		recover()
	:: listening && GIVEN -> go_on()
#ifdef ALONE
	:: listening -> alone = true; go_on()
#endif
#endif
#if REFERRER_RESTORES > 0
	:: referrer_restores > 0 && !backed && requests > 0 ->
		backed = true;
		copy(backup, f); backup_known = known; backup_floor = floor; backup_open = open; backup_recovering = recovering
	:: referrer_restores > 0 && requests > 0 ->
		referrer_restores--;
		printf("referrer goes back to number %d\n", backup.number);
		copy(f, backup); known = backup_known; floor = backup_floor; open = backup_open; recovering = backup_recovering;
		heard = heard && !BOTH;
		wipe(backup); backup_known = 0; backup_floor = 0; backup_open = 0; backup_recovering = 0
#endif
	fi
}

/* i is any number below limit */
inline pick() {
	i = 0;
	do
	:: i + 1 < limit -> i++
	:: break
	od
}

/* What both do by themselves once they reach each other, until nothing is left. */
inline settle() {
	rounds++;
	assert(rounds < ROUNDS);
	if
	:: floor < incarnation || (recovering == 0 && f.number > 0 && known < incarnation) ->
		floor = incarnation;
		learn()
	:: else
	fi;
	if
	:: recovering > 0 -> i = recovering - 1; recover()
	:: recovering == 0 && open > 0 -> i = open - 1; take()
	:: else
	fi;
	if
	:: p.number > 0 -> restate(); q = incarnation; i = p.number; hear()
	:: else
	fi;
	if
	:: GIVEN -> go_on()
	:: else
	fi
}

/* known is of no interest where nobody knows anything */
#define SETTLED		(open == 0 && recovering == 0 && !listening && SAME(f, p) && (known == incarnation || p.number == 0))

/* One step: the two settle, are compared, and all is wiped, so that spin has one
   end to keep and not one for every state of the storm. */
inline end() {
	printf("the storm ends\n");
	do
	:: SETTLED -> break
	:: else -> settle()
	od;
	assert(OWNER(f.status) == OWNER(p.status));
	assert(!heard || BOOKED(p.status) || FINAL(p.status) || undone);
	assert(!undone || alone || BOTH);
	wipe(p); wipe(f); wipe(backup); 
	i = 0;
	do
	:: i < INCARNATIONS * ROOM -> wipe(sent[i]); i++
	:: else -> break
	od;
	i = 0;
	do
	:: i < REQUESTS -> effects[i] = 0; asked[i].act = 0; asked[i].seen = 0; asked[i].by = 0; asked[i].knew = 0; i++
	:: else -> break
	od;
	i = 0;
	do
	:: i < TELLS -> wipe(told[i]); told_by[i] = 0; told_to[i] = 0; i++
	:: else -> break
	od;
	went = false; base = 0; alone = false; undone = false; recovering = 0; backup_recovering = 0;
	incarnation = 0; listening = false; known = 0; floor = 0; open = 0; requests = 0; tells = 0; rounds = 0;
	backup_known = 0; backup_floor = 0; backup_open = 0; backed = false; heard = false;
	provider_restores = 0; referrer_restores = 0
}

#define TIDY	was = 0; later = 0; i = 0; limit = 0; q = 0; from = 0; to = 0; act = 0

active proctype world() {
	p.status = s_none; f.status = s_none; backup.status = s_none;
	do
	:: atomic { storm(); TIDY }
	:: d_step { end(); TIDY } break
	od
}
