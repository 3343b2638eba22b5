----------------------------- MODULE storage_uuid -----------------------------
(* Why a Raft id belongs to one disk for ever.                                                                               *)
(*                                                                                                                           *)
(* A disk is emptied or replaced: log, term and vote are gone. The node on it has acknowledged entries that it lacks now, so *)
(* its vote and its acknowledgements must never count again under that id. The rule:                                         *)
(*   a configuration binds each id to the uuid of its storage, made when the storage was made; a vote or an acknowledgement  *)
(*   counts only for an id of the counting node's own configuration, from the uuid bound there ........ trust_ids            *)
(*   the new disk is a new id: a learner first, a voter in the one joint change that removes the old one;                    *)
(*   an id that was removed is not given out again ................. trust_ids with only_when_removed                       *)
(* A request from an id that the own configuration does not have is answered: a node that lags behind the change would       *)
(* otherwise refuse the only leader left. What counts is decided where it is counted.                                        *)
(*                                                                                                                           *)
(* Joint consensus is as in the core: a change is an entry, in force on each node when that node knows it committed. Entries *)
(* 1 and 2 of the sequence of changes enter and leave the joint configuration that puts `spare` in the place of `replaced`.  *)
EXTENDS logs

CONSTANTS
  first_voters, replaced, spare,  \* ids
  term_max, size_max,
  emptied_max,
  none,
  trust_ids,          \* broken: whoever has the id is believed
  only_when_removed,  \* empties a disk only if its id has been removed
  reuse_removed       \* a removed id comes back, bound to its new disk; to be tried, no model of it has been run yet

VARIABLES
  sent,        \* of each term: its leader's log: entries [term, change], change 0 for a record
  leader_of, leading,
  counted,     \* of each term and id: the index that its leader has counted for the id
  uuid,        \* of each id: how often its disk was emptied; 0 is the disk that the configuration binds
  term, vote, log, known,  \* of each id, durable; known: the commit index it was told
  granted,
  committed    \* of each term: the index that its leader found committed; what must survive, known to nobody

vars == <<sent, leader_of, leading, counted, uuid, term, vote, log, known, granted, committed>>
ids == first_voters \cup {spare}
terms == 1..term_max
elected == {t \in terms : leader_of[t] # none}
symmetry == Permutations(first_voters \ {replaced})

init ==
  /\ sent = [t \in terms |-> << >>]
  /\ \E n \in first_voters : leader_of = [t \in terms |-> IF t = 1 THEN n ELSE none]
  /\ leading = {1}
  /\ counted = [t \in terms |-> [n \in ids |-> 0]]
  /\ uuid = [n \in ids |-> 0]
  /\ term = [n \in ids |-> 1]
  /\ vote = [n \in ids |-> none]
  /\ log = [n \in ids |-> << >>]
  /\ known = [n \in ids |-> 0]
  /\ granted = [n \in ids |-> {}]
  /\ committed = [t \in terms |-> 0]

-------------------------------------------------------------------------------
(* Configurations: how far the changes have come in what is committed. *)

new_voters == (first_voters \ {replaced}) \cup {spare}
stage(committed_log) == max({0} \cup {committed_log[i].change : i \in 1..Len(committed_log)})
halves(s) == CASE s = 0 -> {first_voters}
               [] s = 1 -> {first_voters, new_voters}
               [] s = 2 -> {new_voters}
               [] s = 3 -> {new_voters \cup {replaced}}  \* reuse_removed only
quorum(some, s) == \A half \in halves(s) : is_majority(some, half)
members(s) == UNION halves(s) \cup {spare}  \* the spare is a learner from the start

stage_of(n) == stage(upto(log[n], min(known[n], Len(log[n]))))

(* The uuid that a configuration binds an id to: the disk it was made with, or the new one when a removed id came back. *)
bound(n, s) == IF s = 3 /\ n = replaced THEN 1 ELSE 0
believed(n, s) == n \in members(s) /\ (trust_ids \/ uuid[n] = bound(n, s))

(* Commit by counting, in the configuration that the leader has in force. *)
commits(t) ==
  LET n == leader_of[t] IN
  {i \in known[n] + 1..Len(sent[t]) :
     sent[t][i].term = t /\ quorum({m \in ids : counted[t][m] >= i}, stage_of(n))}

-------------------------------------------------------------------------------
(* Raft. A leader stores its own entries by append too, as everyone. What counts for nothing is left out. *)

rank(entries) == [i \in 1..Len(entries) |-> entries[i].term]
leading_without(n, t) == leading \ {u \in leading : leader_of[u] = n /\ u < t}
counted_of(still_leading) == [t \in terms |-> IF t \in still_leading THEN counted[t] ELSE [n \in ids |-> 0]]

(* The next change is proposed when the one before it is in force; one is under way at a time, records only behind it: a   *)
(* change is as good a thing to lose as a record.                                                                            *)
propose(t) ==
  /\ t \in leading /\ Len(sent[t]) < size_max
  /\ LET s == stage_of(leader_of[t])
         last == IF reuse_removed THEN 3 ELSE 2
         change == IF s < last /\ stage(sent[t]) = s THEN s + 1 ELSE 0
     IN   sent' = [sent EXCEPT ![t] = Append(@, [term |-> t, change |-> change])]
  /\ UNCHANGED <<leader_of, leading, counted, uuid, term, vote, log, known, granted, committed>>

(* An empty disk holds no configuration, so by the rule nobody campaigns from it under the old id. *)
campaign(n, t) ==
  /\ \E half \in halves(stage_of(n)) : n \in half
  /\ believed(n, stage_of(n))
  /\ term[n] < t /\ leader_of[t] = none /\ ~\E u \in leading : leader_of[u] = n
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = n]
  /\ granted' = [granted EXCEPT ![n] = {n}]
  /\ UNCHANGED <<sent, leader_of, leading, counted, uuid, log, known, committed>>

(* The voter answers anyone; the candidate counts whom it believes. *)
grant(n, candidate) ==
  LET t == term[candidate] IN
  /\ n # candidate /\ granted[candidate] # {} /\ leader_of[t] = none
  /\ term[n] < t \/ (term[n] = t /\ vote[n] \in {none, candidate})
  /\ at_least_as_good(rank(log[candidate]), rank(log[n]))
  /\ believed(n, stage_of(candidate))
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = candidate]
  /\ granted' = [granted EXCEPT ![n] = IF term[n] < t THEN {} ELSE @, ![candidate] = @ \cup {n}]
  /\ leading' = leading_without(n, t)
  /\ counted' = counted_of(leading')
  /\ UNCHANGED <<sent, leader_of, uuid, log, known, committed>>

(* Votes in a term that has its leader mean nothing any more and are forgotten, to save states. *)
win(n) ==
  /\ granted[n] # {} /\ quorum(granted[n], stage_of(n))
  /\ leader_of' = [leader_of EXCEPT ![term[n]] = n]
  /\ sent' = [sent EXCEPT ![term[n]] = log[n]]
  /\ leading' = leading \cup {term[n]}
  /\ granted' = [m \in ids |-> IF term[m] = term[n] THEN {} ELSE granted[m]]
  /\ vote' = [m \in ids |-> IF term[m] = term[n] THEN none ELSE vote[m]]
  /\ UNCHANGED <<counted, uuid, term, log, known, committed>>

with_entries(mine, theirs) == IF is_prefix(theirs, mine) THEN mine ELSE theirs

append(n, t) ==
  /\ leader_of[t] # none /\ term[n] <= t
  /\ n = leader_of[t] \/ believed(n, stage_of(leader_of[t]))  \* the others are of no use to it
  /\ leading' = leading_without(n, t)
  /\ \E size \in 1..Len(sent[t]) :
       /\ log' = [log EXCEPT ![n] = with_entries(@, upto(sent[t], size))]
       /\ counted' = IF t \in leading
                     THEN [counted_of(leading') EXCEPT ![t][n] = max({@, size})] ELSE counted_of(leading')
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = none]
  /\ granted' = [granted EXCEPT ![n] = {}]
  /\ UNCHANGED <<sent, leader_of, uuid, known, committed>>

commit(t) ==
  /\ t \in leading /\ commits(t) # {}
  /\ known' = [known EXCEPT ![leader_of[t]] = max(commits(t))]
  /\ committed' = [committed EXCEPT ![t] = max(commits(t))]
  /\ UNCHANGED <<sent, leader_of, leading, counted, uuid, term, vote, log, granted>>

(* A follower hears of it, any time later, if its log is the leader's up to there. *)
learn(n, t) ==
  /\ t \in leading /\ n # leader_of[t] /\ term[n] = t
  /\ known[n] < known[leader_of[t]]
  /\ is_prefix(upto(sent[t], known[leader_of[t]]), log[n])
  /\ known' = [known EXCEPT ![n] = known[leader_of[t]]]
  /\ UNCHANGED <<sent, leader_of, leading, counted, uuid, term, vote, log, granted, committed>>

-------------------------------------------------------------------------------
(* The disk is gone. The node starts on an empty one, under its old id: by the rule it is a stranger whom nobody counts; its *)
(* machine's way back is the spare, a learner with an empty log.                                                              *)
removed(n) == n = replaced /\ \E m \in ids : stage_of(m) >= 2

empty_disk(n) ==
  /\ uuid[n] < 1 /\ Cardinality({m \in ids : uuid[m] > 0}) < emptied_max
  /\ only_when_removed => removed(n)
  /\ uuid' = [uuid EXCEPT ![n] = 1]
  /\ term' = [term EXCEPT ![n] = 0]
  /\ vote' = [vote EXCEPT ![n] = none]
  /\ log' = [log EXCEPT ![n] = << >>]
  /\ known' = [known EXCEPT ![n] = 0]
  /\ granted' = [granted EXCEPT ![n] = {}]
  /\ leading' = {t \in leading : leader_of[t] # n}
  /\ counted' = counted_of(leading')
  /\ UNCHANGED <<sent, leader_of, committed>>

next ==
  \/ \E n \in ids :
       \/ win(n) \/ empty_disk(n)
       \/ \E other \in ids : grant(n, other)
       \/ \E t \in terms : campaign(n, t) \/ append(n, t) \/ learn(n, t)
  \/ \E t \in terms : propose(t) \/ commit(t)

spec == init /\ [][next]_vars

-------------------------------------------------------------------------------
(* What holds: no leader lacks what was committed before its term. *)
committed_survives ==
  \A t, u \in elected : t < u => is_prefix(upto(sent[t], committed[t]), sent[u])

(* A term has one leader: win() would overwrite the first one's log. *)
one_leader_a_term == \A n \in ids : quorum(granted[n], stage_of(n)) => leader_of[term[n]] = none
===============================================================================
