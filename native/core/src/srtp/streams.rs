//! Where each SSRC of a session stands.

use super::replay::Window;

struct Stream {
    ssrc: u32,
    window: Window,
}

/// Most sessions have one SSRC, which is found without another indirection. One is never forgotten: its packets could be replayed.
#[derive(Default)]
pub struct Streams {
    first: Option<Stream>,
    more: Vec<Stream>,
}

/// The place of an SSRC that was found.
#[derive(Clone, Copy)]
pub struct Place(usize);

impl Streams {
    #[inline]
    pub fn find(&self, ssrc: u32) -> Option<(Place, &Window)> {
        match &self.first {
            Some(first) if first.ssrc == ssrc => Some((Place(0), &first.window)),
            _ if self.more.is_empty() => None,
            _ => self.search(ssrc),
        }
    }

    #[inline(never)]
    fn search(&self, ssrc: u32) -> Option<(Place, &Window)> {
        let place = self.more.iter().position(|stream| stream.ssrc == ssrc)?;
        Some((Place(place + 1), &self.more[place].window))
    }

    /// Note that a packet was seen, so far from the highest index. With no place the SSRC is new.
    #[inline]
    pub fn add(&mut self, ssrc: u32, place: Option<Place>, difference: i64) {
        let window = match (place, &mut self.first) {
            (Some(Place(0)), Some(first)) => &mut first.window,
            (Some(Place(place)), _) if place > 0 => &mut self.more[place - 1].window,
            _ => self.begin(ssrc),
        };
        window.add(difference);
    }

    #[cold]
    fn begin(&mut self, ssrc: u32) -> &mut Window {
        let stream = Stream { ssrc, window: Window::new() };
        if self.first.is_none() {
            return &mut self.first.insert(stream).window;
        }
        let place = self.more.len();
        self.more.push(stream);
        &mut self.more[place].window
    }

    /// Reads what the next packet of the first SSRC needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        if let Some(first) = &self.first {
            first.window.touch();
        }
    }
}
