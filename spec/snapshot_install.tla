--------------------------- MODULE snapshot_install ---------------------------
(* How a follower that fell behind the leader's log takes a snapshot without forgetting what it acknowledged.               *)
(*                                                                                                                           *)
(* The core acknowledges the index M of a MsgSnapshot as soon as it is stepped in, so the host keeps the message back:       *)
(*   hold      the message comes; segments and state are copied and verified while the core goes on                          *)
(*   stop      the core is dropped; from here to its restart nothing is stepped, voted or stored ........ keep_running       *)
(*   cut       if the write-ahead log has no entry of M's term at M, it is cut from M on; else it stays whole. This is       *)
(*             looked at here and not earlier: the copy takes minutes .................................. decide_early        *)
(*             Never what stands before M .............................................................. reset_log           *)
(*   manifest  one atomic, durable step names the new state, M and M's term: the commit point ........... manifest_first     *)
(*   restart   the core comes up from disk: applied = M, then the entries that follow M without a gap                        *)
(*   step      only now the message is given to the core, which acknowledges M .......................... step_first         *)
(* and a crash may come between any two of them. What restarts then is what the disk holds: the copied files without a       *)
(* manifest are waste.                                                                                                       *)
(*                                                                                                                           *)
(* Cutting from M on before the manifest loses nothing: M is committed with its term, so an entry of another term at M, and  *)
(* all behind it, never was committed and never will be, acknowledged or not.                                                *)
EXTENDS logs

CONSTANTS
  replicas, term_max, size_max,
  crashes_max,
  none,
  step_first, manifest_first, reset_log, decide_early, keep_running

VARIABLES
  sent,        \* of each term: its leader's log, which only grows; appends under way are its prefixes
  leader_of,   \* of each term
  leading,     \* terms whose leader has neither crashed nor heard of a later one
  acked,       \* of each term and replica: the index acknowledged to the leader
  term, vote,  \* of each replica: durable
  granted,     \* of each replica: votes for it; {} if it is no candidate
  laggard,     \* the one that snapshots are sent to
  wal,         \* of each replica, durable: index -> term of the entry there, 0 if there is none
  manifest,    \* the laggard's, durable: index and term of the state on disk
  core,        \* the laggard's index and term below which its running core asks the state, not the log; none: stopped
  held,        \* the message kept back, with the step it has reached and what was decided; gone in a crash
  crashes

vars == <<sent, leader_of, leading, acked, term, vote, granted, laggard, wal, manifest, core, held, crashes>>
terms == 1..term_max
indexes == 1..size_max
elected == {t \in terms : leader_of[t] # none}
symmetry == Permutations(replicas)
nothing == [index |-> 0, term |-> 0]

init ==
  /\ sent = [t \in terms |-> << >>]
  /\ \E n \in replicas : leader_of = [t \in terms |-> IF t = 1 THEN n ELSE none]
  /\ leading = {1}
  /\ acked = [t \in terms |-> [n \in replicas |-> 0]]
  /\ term = [n \in replicas |-> 1]
  /\ vote = [n \in replicas |-> none]
  /\ granted = [n \in replicas |-> {}]
  /\ laggard \in replicas
  /\ wal = [n \in replicas |-> [i \in indexes |-> 0]]
  /\ manifest = nothing
  /\ core = nothing
  /\ held = none
  /\ crashes = 0

-------------------------------------------------------------------------------
(* Logs as a core sees them: a state up to some index, then what follows it in the write-ahead log up to the first gap. The  *)
(* state stands for the entries it was folded from, which its index and term name: a prefix of that term's leader.           *)

behind(entries, base) ==
  LET gaps == {i \in indexes : i > base.index /\ entries[i] = 0}
      last == IF gaps = {} THEN size_max ELSE (CHOOSE i \in gaps : \A j \in gaps : i <= j) - 1
  IN SubSeq([i \in indexes |-> entries[i]], base.index + 1, last)
state_of(base) == IF base.term = 0 THEN << >> ELSE upto(sent[base.term], base.index)
log_on(entries, base) == state_of(base) \o behind(entries, base)

disk_log(n) == log_on(wal[n], IF n = laggard THEN manifest ELSE nothing)
base_of(n) == IF n = laggard THEN core ELSE nothing
log_of(n) == log_on(wal[n], base_of(n))
runs(n) == n # laggard \/ core # none

commit_index(t) ==
  max({0} \cup {i \in 1..Len(sent[t]) :
                  sent[t][i] = t /\ is_majority({n \in replicas : acked[t][n] >= i}, replicas)})
committed(t) == upto(sent[t], commit_index(t))

leading_without(n, t) == leading \ {u \in leading : leader_of[u] = n /\ u < t}
(* What no leader counts any more is forgotten, to save states. *)
acked_of(still_leading) ==
  [t \in terms |-> IF t \in still_leading THEN acked[t] ELSE [n \in replicas |-> min(acked[t][n], commit_index(t))]]

-------------------------------------------------------------------------------
(* Raft. Only the laggard crashes: for the others, who store at once, a crash is no more than a delay. *)

propose(t) ==
  /\ t \in leading /\ Len(sent[t]) < size_max
  /\ sent' = [sent EXCEPT ![t] = Append(@, t)]
  /\ UNCHANGED <<leader_of, leading, acked, term, vote, granted, laggard, wal, manifest, core, held, crashes>>

(* Straight into a term that has no leader yet: to pass through the others would change nothing. *)
campaign(n, t) ==
  /\ runs(n) /\ term[n] < t /\ leader_of[t] = none /\ ~\E u \in leading : leader_of[u] = n
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = n]
  /\ granted' = [granted EXCEPT ![n] = {n}]
  /\ UNCHANGED <<sent, leader_of, leading, acked, laggard, wal, manifest, core, held, crashes>>

grant(n, candidate) ==
  LET t == term[candidate] IN
  /\ n # candidate /\ runs(n) /\ granted[candidate] # {} /\ leader_of[t] = none
  /\ term[n] < t \/ (term[n] = t /\ vote[n] \in {none, candidate})
  /\ at_least_as_good(log_of(candidate), log_of(n))
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = candidate]
  /\ granted' = [granted EXCEPT ![n] = IF term[n] < t THEN {} ELSE @, ![candidate] = @ \cup {n}]
  /\ leading' = leading_without(n, t)
  /\ acked' = acked_of(leading')
  /\ UNCHANGED <<sent, leader_of, laggard, wal, manifest, core, held, crashes>>

(* Votes in a term that has its leader mean nothing any more and are forgotten, to save states. *)
win(n) ==
  /\ is_majority(granted[n], replicas)
  /\ leader_of' = [leader_of EXCEPT ![term[n]] = n]
  /\ sent' = [sent EXCEPT ![term[n]] = log_of(n)]
  /\ leading' = leading \cup {term[n]}
  /\ granted' = [m \in replicas |-> IF term[m] = term[n] THEN {} ELSE granted[m]]
  /\ vote' = [m \in replicas |-> IF term[m] = term[n] THEN none ELSE vote[m]]
  /\ UNCHANGED <<acked, term, laggard, wal, manifest, core, held, crashes>>

(* Entries are written over what stands there from the first that differs on, and the rest is cut, in one step. *)
written(entries, base, log) ==
  IF is_prefix(log, log_on(entries, base)) THEN entries
  ELSE [i \in indexes |-> IF i <= base.index THEN entries[i] ELSE IF i <= Len(log) THEN log[i] ELSE 0]

(* Any message that the leader of t ever sent, once, twice or late, which fits to the core's state; each is acknowledged if  *)
(* a leader is left to count it.                                                                                              *)
append(n, t) ==
  /\ runs(n) /\ leader_of[t] # none /\ term[n] <= t
  /\ leading' = leading_without(n, t)
  /\ \E size \in 1..Len(sent[t]) :
       /\ size >= base_of(n).index
       /\ is_prefix(state_of(base_of(n)), upto(sent[t], size))
       /\ wal' = [wal EXCEPT ![n] = written(@, base_of(n), upto(sent[t], size))]
       /\ acked' = IF t \in leading THEN [acked_of(leading') EXCEPT ![t][n] = max({@, size})] ELSE acked_of(leading')
  /\ term' = [term EXCEPT ![n] = t]
  /\ vote' = [vote EXCEPT ![n] = none]
  /\ granted' = [granted EXCEPT ![n] = {}]
  /\ UNCHANGED <<sent, leader_of, laggard, manifest, core, held, crashes>>

-------------------------------------------------------------------------------
(* The snapshot. *)

conflicts(m) == wal[laggard][m.index] # m.term

(* Of any term's leader, and late: all that counts is that M was committed when it was sent. *)
hold(t) ==
  /\ held = none /\ core # none /\ leader_of[t] # none /\ leader_of[t] # laggard
  /\ \E i \in 1..commit_index(t) :
       /\ i > core.index
       /\ held' = [sender |-> t, at |-> [index |-> i, term |-> sent[t][i]], step |-> "copied",
                   cut |-> conflicts([index |-> i, term |-> sent[t][i]])]
  /\ UNCHANGED <<sent, leader_of, leading, acked, term, vote, granted, laggard, wal, manifest, core, crashes>>

(* A leader or candidate that stops is none any more. *)
stop ==
  /\ held # none /\ held.step = "copied" /\ ~step_first
  /\ held' = [held EXCEPT !.step = "stopped", !.cut = IF decide_early THEN @ ELSE conflicts(held.at)]
  /\ IF keep_running THEN UNCHANGED <<core, leading, acked, granted>>
     ELSE /\ core' = none
          /\ leading' = {t \in leading : leader_of[t] # laggard}
          /\ acked' = acked_of(leading')
          /\ granted' = [granted EXCEPT ![laggard] = {}]
  /\ UNCHANGED <<sent, leader_of, term, vote, laggard, wal, manifest, crashes>>

cut ==
  /\ held # none /\ held.step = "stopped" /\ ~manifest_first
  /\ held' = [held EXCEPT !.step = "cut"]
  /\ wal' = [wal EXCEPT ![laggard] =
       [i \in indexes |-> IF reset_log \/ (held.cut /\ i >= held.at.index) THEN 0 ELSE @[i]]]
  /\ UNCHANGED <<sent, leader_of, leading, acked, term, vote, granted, laggard, manifest, core, crashes>>

(* With manifest_first the cut would come after it, or after the crash never. *)
commit_manifest ==
  /\ held # none /\ held.step = IF manifest_first THEN "stopped" ELSE "cut"
  /\ held' = [held EXCEPT !.step = "installed"]
  /\ manifest' = held.at
  /\ UNCHANGED <<sent, leader_of, leading, acked, term, vote, granted, laggard, wal, core, crashes>>

restart_and_step ==
  /\ held # none /\ held.step = "installed"
  /\ held' = none
  /\ core' = manifest
  /\ wal' = [wal EXCEPT ![laggard] =
       [i \in indexes |-> IF manifest_first /\ held.cut /\ i >= held.at.index THEN 0 ELSE @[i]]]
  /\ \/ term[laggard] > held.sender /\ UNCHANGED <<term, vote, acked>>
     \/ /\ term[laggard] <= held.sender
        /\ term' = [term EXCEPT ![laggard] = held.sender]
        /\ vote' = [vote EXCEPT ![laggard] = none]
        /\ acked' = IF held.sender \in leading
                    THEN [acked EXCEPT ![held.sender][laggard] = max({@, held.at.index})] ELSE acked
  /\ leading' = {t \in leading : leader_of[t] # laggard}
  /\ granted' = [granted EXCEPT ![laggard] = {}]
  /\ UNCHANGED <<sent, leader_of, laggard, manifest, crashes>>

(* The core believes in the snapshot and acknowledges it; the host would install it afterwards. *)
step_early ==
  /\ step_first /\ held # none /\ held.step = "copied" /\ term[laggard] <= held.sender
  /\ held' = none
  /\ core' = held.at
  /\ term' = [term EXCEPT ![laggard] = held.sender]
  /\ vote' = [vote EXCEPT ![laggard] = none]
  /\ leading' = leading_without(laggard, held.sender)
  /\ acked' = IF held.sender \in leading
              THEN [acked_of(leading') EXCEPT ![held.sender][laggard] = max({@, held.at.index})] ELSE acked_of(leading')
  /\ granted' = [granted EXCEPT ![laggard] = {}]
  /\ UNCHANGED <<sent, leader_of, laggard, wal, manifest, crashes>>

(* Power goes and comes back. A log is read up to its first gap; what is behind that is cut off. *)
crash ==
  /\ crashes < crashes_max
  /\ crashes' = crashes + 1
  /\ held' = none
  /\ core' = manifest
  /\ wal' = [wal EXCEPT ![laggard] =
       [i \in indexes |-> IF i <= Len(disk_log(laggard)) THEN @[i] ELSE 0]]
  /\ leading' = {t \in leading : leader_of[t] # laggard}
  /\ acked' = acked_of(leading')
  /\ granted' = [granted EXCEPT ![laggard] = {}]
  /\ UNCHANGED <<sent, leader_of, term, vote, laggard, manifest>>

next ==
  \/ \E n \in replicas :
       \/ win(n)
       \/ \E other \in replicas : grant(n, other)
       \/ \E t \in terms : campaign(n, t) \/ append(n, t)
  \/ \E t \in terms : propose(t) \/ hold(t)
  \/ stop \/ cut \/ commit_manifest \/ restart_and_step \/ step_early \/ crash

spec == init /\ [][next]_vars

-------------------------------------------------------------------------------
(* What holds. *)

(* No leader lacks what was committed before its term. *)
committed_survives == \A t, u \in elected : t < u => is_prefix(committed(t), sent[u])

(* Each replica's disk keeps what it acknowledged, if that is committed: at every step, since a crash may come at every step. *)
acknowledged_is_kept ==
  \A n \in replicas, t \in elected :
    is_prefix(upto(committed(t), min(acked[t][n], commit_index(t))), disk_log(n))

(* An entry stands behind those that its leader had before it, and a core that runs sees them so. *)
matches(log) == \A i \in 1..Len(log) : is_prefix(upto(log, i), sent[log[i]])
log_matching == \A n \in replicas : matches(disk_log(n)) /\ (runs(n) => matches(log_of(n)))
===============================================================================
