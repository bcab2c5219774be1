//! The command-line client, killed in the middle of watching, and started again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use unlearnd::pb::v1::job::State;

use crate::support::shapes::{Shapes, training};

fn watch(shapes: &Shapes, job: &str, after: i64) -> Child {
    let address = std::fs::read_to_string(shapes.daemon.address_file()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_unlearnctl"))
        .args(["--server", &format!("http://{}", address.trim()), "--json", "job", "watch", job])
        .args(["--after", &after.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The next sequence numbers that a client prints, as many as asked for or up to its end.
fn sequences(client: &mut Child, most: usize) -> Vec<i64> {
    let lines = BufReader::new(client.stdout.as_mut().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    events.filter_map(|event| event["sequence"].as_i64().filter(|sequence| *sequence > 0)).take(most).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_killed_sees_every_later_event_once() {
    let shapes = Shapes::start().await;
    let mut request = training(40, 0.01);
    request.trainer.as_mut().unwrap().checkpoint_every_steps = 50;
    let job = shapes.fine_tune(request).await.unwrap();

    let mut client = watch(&shapes, &job, 0);
    let before = sequences(&mut client, 4);
    client.kill().unwrap();
    client.wait().unwrap();

    let mut client = watch(&shapes, &job, before[before.len() - 1]);
    let after = sequences(&mut client, usize::MAX);
    assert!(client.wait().unwrap().success(), "its exit code is that of the job");
    let done = shapes.job(&job).await;
    assert_eq!(done.state(), State::Succeeded);
    assert_eq!([before, after].concat(), (1..=done.last_sequence).collect::<Vec<_>>());
}
