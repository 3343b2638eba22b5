---------------------------- MODULE ambiguous_tail ----------------------------
(* The last frame of a write-ahead log does not check after a crash. It may be torn: its write never ended and nobody was   *)
(* told of it. Or it may be rotten: it was acknowledged, perhaps committed, and a vote without it loses it for good. Nothing *)
(* on the disk tells which, so the replica is in doubt. Term and vote are in a file of their own and never in doubt.         *)
(*                                                                                                                           *)
(* In doubt it gives no vote, acknowledges nothing and does not campaign; that is durable before the frame is cut off. It    *)
(* asks for a leader, and that leader's answer, made after the replica started, is a term and a last index. It may leave the *)
(* doubt, durably, when                                                                                                      *)
(*   1. the term is at least the one in its own file .................................. any_term                             *)
(*   2. the last index is the leader's at a moment after this start, of all it has handed out, not of a message under way,   *)
(*      nor of what is committed ........................ stale_answer, until_commit                                         *)
(*   3. its durable log holds that leader's log up to that index ...................... first_append                         *)
(*   4. the doubt outlives a crash until then ......................................... forget_doubt                         *)
(* The leader may have been deposed without knowing it, and it need not know what is committed.                              *)
(*                                                                                                                           *)
(* Why that is enough. What the replica acknowledged and was or will be committed it acknowledged to a leader of a term up   *)
(* to its own, h. The answering leader's term t is h or more. If it is the same term, the entry is in this leader's log, and *)
(* was before the crash. If it was a lower one, a majority elected the leader of t; the replica, if it was among them, voted *)
(* with the entry in its log; and the others that hold it voted after they had stored it, or the entry never is committed.   *)
EXTENDS logs

CONSTANTS
  replicas, term_max, size_max,
  losses_max,    \* how many frames are found damaged in all
  none,
  vote_in_doubt, first_append, forget_doubt, any_term, stale_answer, until_commit,
  keep_term,     \* does not take the leader's term into the file with its entries
  poll_all       \* a way out if no leader is left: adopt the best log of all voters, every one of them read

VARIABLES
  sent,        \* of each term: its leader's log, which only grows; appends under way are its prefixes
  leader_of,   \* of each term
  leading,     \* terms whose leader has neither crashed nor heard of a later one
  acked,       \* of each term and replica: the index acknowledged to the leader
  term, vote, log, in_doubt,  \* of each replica: durable
  granted,     \* of each replica: votes for it; {} if it is no candidate; gone in a crash
  answer,      \* of each replica in doubt: the term and index it waits for; gone in a crash
  losses

vars == <<sent, leader_of, leading, acked, term, vote, log, in_doubt, granted, answer, losses>>
terms == 1..term_max
elected == {t \in terms : leader_of[t] # none}
symmetry == Permutations(replicas)

(* Term 1 has its leader: how it came to be is what all other terms show. *)
init ==
  /\ sent = [t \in terms |-> << >>]
  /\ \E n \in replicas : leader_of = [t \in terms |-> IF t = 1 THEN n ELSE none]
  /\ leading = {1}
  /\ acked = [t \in terms |-> [n \in replicas |-> 0]]
  /\ term = [n \in replicas |-> 1]
  /\ vote = [n \in replicas |-> none]
  /\ log = [n \in replicas |-> << >>]
  /\ in_doubt = [n \in replicas |-> FALSE]
  /\ granted = [n \in replicas |-> {}]
  /\ answer = [n \in replicas |-> none]
  /\ losses = 0

(* An entry counts as committed as soon as a majority has acknowledged it to a leader that can still count: whether that *)
(* leader has heard of it does not matter, since it may. Only entries of its own term commit by counting.                *)
commit_index(t) ==
  max({0} \cup {i \in 1..Len(sent[t]) :
                  sent[t][i] = t /\ is_majority({n \in replicas : acked[t][n] >= i}, replicas)})
committed(t) == upto(sent[t], commit_index(t))

runs(n) == ~in_doubt[n] \/ vote_in_doubt
leading_without(n, t) == leading \ {u \in leading : leader_of[u] = n /\ u < t}
(* What no leader counts any more is forgotten, to save states. *)
acked_of(still_leading) ==
  [t \in terms |-> IF t \in still_leading THEN acked[t] ELSE [n \in replicas |-> min(acked[t][n], commit_index(t))]]

-------------------------------------------------------------------------------
(* Raft. *)

propose(t) ==
  /\ t \in leading /\ Len(sent[t]) < size_max
  /\ sent' = [sent EXCEPT ![t] = Append(@, t)]
  /\ UNCHANGED <<leader_of, leading, acked, term, vote, log, in_doubt, granted, answer, losses>>

(* Straight into a term that has no leader yet: to pass through the others would change nothing. *)
campaign(n, t) ==
  /\ runs(n) /\ term[n] < t /\ leader_of[t] = none /\ ~\E u \in leading : leader_of[u] = n
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = n]
  /\ granted' = [granted EXCEPT ![n] = {n}]
  /\ UNCHANGED <<sent, leader_of, leading, acked, log, in_doubt, answer, losses>>

grant(n, candidate) ==
  LET t == term[candidate] IN
  /\ n # candidate /\ runs(n) /\ granted[candidate] # {} /\ leader_of[t] = none
  /\ term[n] < t \/ (term[n] = t /\ vote[n] \in {none, candidate})
  /\ at_least_as_good(log[candidate], log[n])
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = candidate]
  /\ granted' = [granted EXCEPT ![n] = IF term[n] < t THEN {} ELSE @, ![candidate] = @ \cup {n}]
  /\ leading' = leading_without(n, t)
  /\ acked' = acked_of(leading')
  /\ UNCHANGED <<sent, leader_of, log, in_doubt, answer, losses>>

(* Votes in a term that has its leader mean nothing any more and are forgotten, to save states. *)
win(n) ==
  /\ is_majority(granted[n], replicas)
  /\ leader_of' = [leader_of EXCEPT ![term[n]] = n]
  /\ sent' = [sent EXCEPT ![term[n]] = log[n]]
  /\ leading' = leading \cup {term[n]}
  /\ granted' = [m \in replicas |-> IF term[m] = term[n] THEN {} ELSE granted[m]]
  /\ vote' = [m \in replicas |-> IF term[m] = term[n] THEN none ELSE vote[m]]
  /\ UNCHANGED <<acked, term, log, in_doubt, answer, losses>>

with_entries(mine, theirs) == IF is_prefix(theirs, mine) THEN mine ELSE theirs

(* Any message that the leader of t ever sent, once, twice or late. The leader stores its own entries by it too: it sends    *)
(* them before they are durable. Each is acknowledged if a leader is left to count it: to have stored without a word only    *)
(* asks for less, and hinders nothing.                                                                                      *)
append(n, t) ==
  /\ runs(n) /\ leader_of[t] # none /\ term[n] <= t
  /\ leading' = leading_without(n, t)
  /\ \E size \in 1..Len(sent[t]) :
       /\ log' = [log EXCEPT ![n] = with_entries(@, upto(sent[t], size))]
       /\ acked' = IF t \in leading THEN [acked_of(leading') EXCEPT ![t][n] = max({@, size})] ELSE acked_of(leading')
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = none]
  /\ granted' = [granted EXCEPT ![n] = {}]
  /\ UNCHANGED <<sent, leader_of, in_doubt, answer, losses>>

-------------------------------------------------------------------------------
(* Crashes, and the way out of doubt. *)

crash(n) ==
  /\ leading' = {t \in leading : leader_of[t] # n}
  /\ acked' = acked_of(leading')
  /\ granted' = [granted EXCEPT ![n] = {}]
  /\ answer' = [answer EXCEPT ![n] = none]
  /\ \/ /\ in_doubt' = [in_doubt EXCEPT ![n] = @ /\ ~forget_doubt]
        /\ UNCHANGED <<log, losses>>
     \/ /\ losses < losses_max /\ log[n] # << >>
        /\ log' = [log EXCEPT ![n] = upto(@, Len(@) - 1)]
        /\ in_doubt' = [in_doubt EXCEPT ![n] = TRUE]
        /\ losses' = losses + 1
  /\ UNCHANGED <<sent, leader_of, term, vote>>

(* The leader's log was never shorter than at its election, and all that it had then is of earlier terms. *)
size_at_election(t) == Cardinality({i \in 1..Len(sent[t]) : sent[t][i] < t})

last_indexes(t) ==
  IF first_append THEN 1..Len(sent[t])
  ELSE IF stale_answer THEN size_at_election(t)..Len(sent[t])
  ELSE IF until_commit THEN {commit_index(t)}
  ELSE {Len(sent[t])}

ask(n, t) ==
  /\ in_doubt[n] /\ t \in leading
  /\ term[n] <= t \/ any_term
  /\ IF answer[n] = none THEN TRUE ELSE answer[n].term < t
  /\ \E index \in last_indexes(t) : answer' = [answer EXCEPT ![n] = [term |-> t, index |-> index]]
  /\ UNCHANGED <<sent, leader_of, leading, acked, term, vote, log, in_doubt, granted, losses>>

(* One append or several, each durable, none acknowledged. *)
fetch(n) ==
  /\ in_doubt[n] /\ answer[n] # none
  /\ \E size \in 1..answer[n].index :
       log' = [log EXCEPT ![n] = with_entries(@, upto(sent[answer[n].term], size))]
  /\ IF keep_term \/ term[n] >= answer[n].term THEN UNCHANGED <<term, vote>>
     ELSE /\ term' = [term EXCEPT ![n] = answer[n].term]
          /\ vote' = [vote EXCEPT ![n] = none]
  /\ UNCHANGED <<sent, leader_of, leading, acked, in_doubt, granted, answer, losses>>

leave_doubt(n) ==
  /\ in_doubt[n] /\ answer[n] # none
  /\ is_prefix(upto(sent[answer[n].term], answer[n].index), log[n])
  /\ in_doubt' = [in_doubt EXCEPT ![n] = FALSE]
  /\ answer' = [answer EXCEPT ![n] = none]
  /\ UNCHANGED <<sent, leader_of, leading, acked, term, vote, log, granted, losses>>

(* What a voter says it has: a leader has what it sent, durable or not. *)
shown_log(n) ==
  LET own == {t \in leading : leader_of[t] = n} IN IF own = {} THEN log[n] ELSE sent[max(own)]

adopt_best_of_all(n) ==
  /\ poll_all /\ in_doubt[n]
  /\ \E best \in replicas :
       /\ \A other \in replicas : at_least_as_good(shown_log(best), shown_log(other))
       /\ log' = [log EXCEPT ![n] = shown_log(best)]
       /\ term' = [term EXCEPT ![n] = max({@, last_term(shown_log(best))})]
       /\ vote' = [vote EXCEPT ![n] = IF term[n] < last_term(shown_log(best)) THEN none ELSE @]
  /\ in_doubt' = [in_doubt EXCEPT ![n] = FALSE]
  /\ answer' = [answer EXCEPT ![n] = none]
  /\ UNCHANGED <<sent, leader_of, leading, acked, granted, losses>>

next ==
  \/ \E n \in replicas :
       \/ win(n) \/ crash(n) \/ fetch(n) \/ leave_doubt(n) \/ adopt_best_of_all(n)
       \/ \E other \in replicas : grant(n, other)
       \/ \E t \in terms : campaign(n, t) \/ append(n, t) \/ ask(n, t)
  \/ \E t \in terms : propose(t)

spec == init /\ [][next]_vars

-------------------------------------------------------------------------------
(* What holds. *)

(* No leader lacks what was committed before its term: the loss that this is all about. *)
committed_survives == \A t, u \in elected : t < u => is_prefix(committed(t), sent[u])

(* Each replica's own part in it. *)
acknowledged_is_kept ==
  \A n \in replicas, t \in elected :
    ~in_doubt[n] => is_prefix(upto(committed(t), min(acked[t][n], commit_index(t))), log[n])

log_matching ==
  \A n \in replicas : \A i \in 1..Len(log[n]) : is_prefix(upto(log[n], i), sent[log[n][i]])

terms_cover_logs == \A n \in replicas : last_term(log[n]) <= term[n]
===============================================================================
