//! A table whose places are used again, and keys that know when theirs was.

/// A place in a table and whose turn it is there: the key of what was removed finds nothing, even when the place is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub slot: u32,
    pub generation: u32,
}

struct Slot<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// Boxed values, so that the table itself stays small enough to be in the cache.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Make a value that may know its key.
    pub fn insert(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: 0, value: None });
                (self.slots.len() - 1) as u32
            }
        };
        let place = &mut self.slots[slot as usize];
        let key = Key { slot, generation: place.generation };
        place.value = Some(Box::new(make(key)));
        key
    }

    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let place = self.slots.get(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.value.as_deref()
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.slots.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.value.as_deref_mut()
    }

    pub fn remove(&mut self, key: Key) -> Option<Box<T>> {
        let place = self.slots.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    /// So many places from one on, and whether there are more after them.
    pub fn part(&self, from: usize, most: usize) -> (impl Iterator<Item = &T>, bool) {
        let places = self.slots.iter().skip(from).take(most);
        (places.filter_map(|place| place.value.as_deref()), self.slots.len() > from + most)
    }

    /// In the order of places.
    #[cfg(test)]
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|place| place.value.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_key_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert(|_| "first");
        assert_eq!(slab.get(first), Some(&"first"));
        assert_eq!(slab.remove(first).as_deref(), Some(&"first"));
        let second = slab.insert(|_| "second");
        assert_eq!((second.slot, second.generation), (first.slot, first.generation + 1));
        assert!(slab.get(first).is_none() && slab.get_mut(first).is_none() && slab.remove(first).is_none());
        assert_eq!(slab.values().collect::<Vec<_>>(), [&"second"]);
    }
}
