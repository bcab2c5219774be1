//! What the choice of the next job promises, on examples and on histories of random arrivals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::pick::places;
use super::*;
use crate::domain::submission::Priority;

const STARVATION: Duration = Duration::from_secs(100);

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second)
}

fn rules(second: u64) -> Rules {
    Rules { now: at(second), starvation: STARVATION }
}

fn candidate(job: &str, device: &str, trains: Option<&str>) -> Candidate {
    Candidate {
        job: job.parse().unwrap(),
        device: device.into(),
        trains: trains.map(|model| model.parse().unwrap()),
        priority: Priority::Normal,
        client: "a".into(),
        create_time: at(0),
        memory_bytes: 0,
    }
}

fn of(client: &str, number: u64, priority: Priority, create: u64) -> Candidate {
    let name = format!("{client}{number}");
    Candidate { priority, client: client.into(), create_time: at(create), ..candidate(&name, "cpu", None) }
}

/// Starts one job after another, a second each.
fn order(mut waiting: Vec<Candidate>, busy: &Busy) -> Vec<String> {
    let (mut order, mut turns) = (Vec::new(), Turns::default());
    for second in 1.. {
        let Some(index) = pick_next(&waiting, busy, &turns, rules(second)) else { break };
        let started = waiting.remove(index);
        turns.take(&started, at(second));
        order.push(started.job.id().to_owned());
    }
    order
}

#[test]
fn first_in_is_first_out() {
    let waiting = vec![candidate("a", "cpu", Some("m")), candidate("b", "cpu", None), candidate("c", "cpu", None)];
    assert_eq!(order(waiting, &Busy::default()), ["a", "b", "c"]);
}

#[test]
fn a_busy_device_holds_up_its_own_jobs_only() {
    let waiting = vec![candidate("a", "cpu", None), candidate("b", "cuda:0", None)];
    let busy = Busy { devices: ["cpu".to_owned()].into(), ..Busy::default() };
    assert_eq!(order(waiting, &busy), ["b"]);
}

#[test]
fn a_model_is_trained_by_one_job_at_a_time() {
    let waiting = vec![candidate("a", "cpu", Some("m")), candidate("b", "cpu", None), candidate("c", "cpu", Some("n"))];
    let busy = Busy { training: ["m".parse().unwrap()].into(), ..Busy::default() };
    assert_eq!(order(waiting, &busy), ["b", "c"]);
}

#[test]
fn a_job_that_lacks_memory_lets_others_go_first() {
    let waiting = vec![Candidate { memory_bytes: 9, ..candidate("a", "cpu", None) }, candidate("b", "cpu", None)];
    let busy = Busy { memory: [("cpu".to_owned(), 8)].into(), ..Busy::default() };
    assert_eq!(order(waiting.clone(), &busy), ["b"]);
    assert!(busy.lacks_memory(&waiting[0]) && !busy.lacks_memory(&waiting[1]));
    let busy = Busy { memory: [("cpu".to_owned(), 9)].into(), ..Busy::default() };
    assert_eq!(order(waiting, &busy), ["a", "b"]);
}

#[test]
fn the_urgent_go_first_and_clients_in_turn() {
    use Priority::{High, Low, Normal};
    let waiting = vec![
        of("a", 1, Low, 0),
        of("a", 2, Normal, 0),
        of("a", 3, Normal, 0),
        of("a", 4, Normal, 0),
        of("b", 1, Normal, 0),
        of("b", 2, High, 0),
        of("c", 1, Normal, 0),
    ];
    assert_eq!(order(waiting, &Busy::default()), ["b2", "a2", "c1", "b1", "a3", "a4", "a1"]);
}

#[test]
fn a_new_name_does_not_overtake_those_who_wait() {
    let mut turns = Turns::default();
    turns.take(&of("a", 0, Priority::Normal, 0), at(10));
    let waiting = [of("a", 1, Priority::Normal, 0), of("new", 1, Priority::Normal, 11)];
    assert_eq!(pick_next(&waiting, &Busy::default(), &turns, rules(12)), Some(0));
    turns.take(&waiting[0], at(12));
    let waiting = [of("a", 2, Priority::Normal, 0), of("new", 1, Priority::Normal, 11)];
    assert_eq!(pick_next(&waiting, &Busy::default(), &turns, rules(13)), Some(1));
}

#[test]
fn turns_on_one_device_cost_none_on_another() {
    let on = |device: &str, job: Candidate| Candidate { device: device.into(), ..job };
    let mut turns = Turns::default();
    turns.take(&on("cuda:0", of("a", 0, Priority::Normal, 0)), at(50));
    turns.take(&on("cpu", of("b", 0, Priority::Normal, 0)), at(40));
    let waiting = [of("b", 1, Priority::Normal, 1), of("a", 1, Priority::Normal, 1)];
    assert_eq!(pick_next(&waiting, &Busy::default(), &turns, rules(60)), Some(1));
}

#[test]
fn places_are_counted_by_device() {
    let other = Candidate { device: "cuda:0".into(), ..of("a", 9, Priority::Low, 0) };
    let waiting =
        vec![of("a", 1, Priority::Normal, 0), of("a", 2, Priority::Normal, 1), of("b", 1, Priority::Normal, 2), other];
    let places = places(waiting, Turns::default(), rules(3));
    let told = |job: &str| places[&job.parse::<JobId>().unwrap()];
    assert_eq!(["a1", "b1", "a2", "a9"].map(told), [1, 2, 3, 1]);
}

fn any_priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)]
}

/// Client, priority, second of arrival.
fn arrivals(clients: usize, count: usize) -> impl Strategy<Value = Vec<(usize, Priority, u64)>> {
    prop::collection::vec((0..clients, any_priority(), 0..200_u64), 1..count)
}

fn queue(arrivals: &[(usize, Priority, u64)]) -> Vec<Candidate> {
    let job = |(number, (client, priority, second)): (usize, &(usize, Priority, u64))| {
        of(&format!("c{client}x"), number as u64, *priority, *second)
    };
    arrivals.iter().enumerate().map(job).collect()
}

proptest! {
    /// Nobody waits who is more urgent than the job picked.
    #[test]
    fn priority_is_respected(arrivals in arrivals(5, 40), now in 0..600_u64, served in 0..5_usize) {
        let waiting = queue(&arrivals);
        let mut turns = Turns::default();
        turns.take(&of(&format!("c{served}x"), 0, Priority::Normal, 0), at(now));
        let index = pick_next(&waiting, &Busy::default(), &turns, rules(now)).unwrap();
        let highest = waiting.iter().map(|job| rules(now).level(job)).max().unwrap();
        prop_assert_eq!(rules(now).level(&waiting[index]), highest);
    }

    /// While several clients have jobs of one priority waiting, none gets more than one ahead of another.
    #[test]
    fn shares_differ_by_one_job_at_most(counts in prop::collection::vec(1..20_usize, 2..6)) {
        let mut waiting: Vec<Candidate> = Vec::new();
        for (client, count) in counts.iter().enumerate() {
            waiting.extend((0..*count as u64).map(|number| of(&format!("c{client}x"), number, Priority::Normal, 0)));
        }
        let (mut started, mut turns) = (vec![0_usize; counts.len()], Turns::default());
        for second in 1.. {
            let Some(index) = pick_next(&waiting, &Busy::default(), &turns, rules(second)) else { break };
            let job = waiting.remove(index);
            turns.take(&job, at(second));
            let client: usize = job.client[1..job.client.len() - 1].parse().unwrap();
            started[client] += 1;
            let open = (0..counts.len()).filter(|client| started[*client] < counts[*client]);
            let fewest = open.map(|client| started[client]).min();
            prop_assert!(fewest.is_none_or(|fewest| started[client] <= fewest + 1), "{:?}", started);
        }
    }

    /// More arrives than can be done, by old and by ever new names and as urgent as can be. A patient client's jobs are started all the
    /// same: once one is HIGH, nobody has two turns before the client has its next.
    #[test]
    fn nobody_starves(
        priority in any_priority(),
        strangers in prop::collection::vec(any::<bool>(), 1..4),
        crowd in 1..4_u64,
        count in 1..4_u64,
    ) {
        let mut waiting: Vec<Candidate> = (0..count).map(|number| of("patient", number, priority, 0)).collect();
        let (mut turns, mut served, mut left) = (Turns::default(), BTreeSet::new(), count);
        for second in 0_u64.. {
            for (number, is_new) in strangers.iter().enumerate() {
                let name = if *is_new { format!("s{second}x{number}x") } else { format!("k{}x", number as u64 % crowd) };
                waiting.push(of(&name, second, Priority::High, second));
            }
            let rules = Rules { starvation: Duration::from_secs(5), ..rules(second) };
            let is_high = waiting.iter().any(|job| job.client == "patient" && rules.level(job) == Priority::High);
            let job = waiting.remove(pick_next(&waiting, &Busy::default(), &turns, rules).unwrap());
            turns.take(&job, at(second));
            if job.client == "patient" {
                left -= 1;
                served.clear();
            } else if is_high {
                prop_assert!(served.insert(job.client), "a second turn at {second}");
            }
            if left == 0 {
                break;
            }
            prop_assert!(second < 5_000, "{left} jobs still wait");
        }
    }

    /// The place told is the order in which jobs then start.
    #[test]
    fn places_are_the_order_of_starts(arrivals in arrivals(4, 30)) {
        let mut waiting = queue(&arrivals);
        let told = places(waiting.clone(), Turns::default(), rules(250));
        let (mut turns, mut now, mut found) = (Turns::default(), rules(250), BTreeMap::new());
        for place in 1_u32.. {
            let Some(index) = pick_next(&waiting, &Busy::default(), &turns, now) else { break };
            let job = waiting.remove(index);
            turns.take(&job, now.now);
            now.now += Duration::from_nanos(1);
            found.insert(job.job, place);
        }
        prop_assert_eq!(told, found);
    }
}
