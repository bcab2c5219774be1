//! A queue in which clients take turns; within a client first in is first out.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Turns<T> {
    /// Clients with entries, in the order of their turns.
    clients: VecDeque<(String, VecDeque<T>)>,
    len: usize,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Self {
        Self { clients: VecDeque::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries of one client.
    pub(super) fn len_of(&self, client: &str) -> usize {
        self.clients.iter().find(|(name, _)| name == client).map_or(0, |(_, entries)| entries.len())
    }

    /// A client without entries has its turn after all others.
    pub(super) fn push(&mut self, client: &str, entry: T) {
        self.len += 1;
        match self.clients.iter_mut().find(|(name, _)| name == client) {
            Some((_, entries)) => entries.push_back(entry),
            None => self.clients.push_back((client.to_owned(), VecDeque::from([entry]))),
        }
    }

    /// The first entry of the client whose turn it is; its next turn is after all others.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (client, mut entries) = self.clients.pop_front()?;
        let entry = entries.pop_front();
        self.len -= usize::from(entry.is_some());
        if !entries.is_empty() {
            self.clients.push_back((client, entries));
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns_and_keep_their_own_order() {
        let mut turns = Turns::new();
        for (client, entry) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")] {
            turns.push(client, entry);
        }
        assert_eq!((turns.len(), turns.len_of("a"), turns.len_of("d")), (6, 3, 0));
        let popped: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(popped, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(turns.is_empty());
    }

    /// A step of a long command puts it back: its client waits for the others meanwhile.
    #[test]
    fn many_commands_of_one_client_get_as_many_steps_as_one_of_another() {
        let mut turns = Turns::new();
        (0..10).for_each(|number| turns.push("many", number));
        turns.push("one", 100);
        let mut steps_of_one = 0;
        for _ in 0..40 {
            let entry = turns.pop().unwrap();
            steps_of_one += u32::from(entry == 100);
            turns.push(if entry == 100 { "one" } else { "many" }, entry);
        }
        assert_eq!(steps_of_one, 20);
    }
}
