//! The values of one segment that is being written, by element, repetition and component.

use crate::Writing;
use crate::definition::{Form, Layout};
use portolan_contract::{FormatCode, FormatError, Position};

/// The values of one segment.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    held: Held,
    /// Those of a segment that waits while another is written before it.
    aside: Held,
    /// The element at hand, with its repetition, and the components of it that are taken.
    element: (u16, u16),
    component: u16,
    components_taken: Vec<u16>,
}

#[derive(Debug, Default)]
struct Held {
    cells: Vec<Cell>,
    text: String,
    /// Elements and repetitions that are taken.
    taken: Vec<(u16, u16)>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    element: u16,
    repetition: u16,
    component: u16,
    start: usize,
    end: usize,
}

impl Cell {
    fn place(&self) -> (u16, u16, u16) {
        (self.element, self.repetition, self.component)
    }
}

impl Cells {
    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.held.cells.clear();
        self.held.text.clear();
        self.held.taken.clear();
        self.component = 0;
    }

    /// Puts the values aside, and has none.
    pub(crate) fn put_aside(&mut self) {
        std::mem::swap(&mut self.held, &mut self.aside);
        self.clear();
    }

    /// Has the values again that were put aside.
    pub(crate) fn take_back(&mut self) {
        std::mem::swap(&mut self.held, &mut self.aside);
    }

    /// Whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.cells.is_empty()
    }

    /// Goes to the next free one of these elements; false where there is none.
    pub(crate) fn begin_element(&mut self, places: &[u16], layout: &Layout, version: u8) -> bool {
        self.components_taken.clear();
        self.component = 0;
        for &place in places {
            let repeats = layout.elements.get(usize::from(place)).map_or(1, |element| element.repeats);
            let repeats = if version >= 4 { repeats } else { 1 };
            for repetition in 0..repeats {
                if !self.held.taken.contains(&(place, repetition)) {
                    self.held.taken.push((place, repetition));
                    self.element = (place, repetition);
                    return true;
                }
            }
        }
        false
    }

    /// Goes to the next free one of these components; false where there is none.
    pub(crate) fn begin_component(&mut self, places: &[u16]) -> bool {
        let Some(&free) = places.iter().find(|place| !self.components_taken.contains(place)) else { return false };
        self.components_taken.push(free);
        self.component = free;
        true
    }

    /// A value for the element or component at hand.
    pub(crate) fn put(&mut self, text: &str) {
        let (element, repetition) = self.element;
        self.add(element, repetition, self.component, text);
    }

    /// A text for the composite at hand: its components, as they are joined; false where there are
    /// more than it has.
    pub(crate) fn put_joined(&mut self, text: &str, joint: char, components: usize) -> bool {
        let ((element, repetition), mut component, mut part) = (self.element, 0, String::new());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                _ if character == joint => {
                    self.add(element, repetition, component, &part);
                    (component, part) = (component.saturating_add(1), String::new());
                }
                '?' if joint == ':' => part.extend(characters.next()),
                other => part.push(other),
            }
        }
        self.add(element, repetition, component, &part);
        usize::from(component) < components
    }

    /// A value where there is none yet.
    pub(crate) fn put_default(&mut self, element: u16, component: u16, text: &str) {
        if self.text(element, component).is_empty() {
            self.add(element, 0, component, text);
        }
    }

    /// The value of a component; empty where there is none.
    pub(crate) fn text(&self, element: u16, component: u16) -> &str {
        let cell = self.held.cells.iter().find(|cell| cell.place() == (element, 0, component));
        cell.and_then(|cell| self.held.text.get(cell.start..cell.end)).unwrap_or("")
    }

    /// The first mandatory element, or component of an element that is there, without a value.
    pub(crate) fn missing(&self, layout: &Layout) -> Option<String> {
        for (index, element) in layout.elements.iter().enumerate() {
            let held = |component: Option<usize>| {
                let same = |cell: &&Cell| usize::from(cell.element) == index && component.is_none_or(|c| usize::from(cell.component) == c);
                self.held.cells.iter().any(|cell| same(&cell))
            };
            if !held(None) {
                if element.mandatory {
                    return Some(element.id.clone());
                }
                continue;
            }
            let missing = element.components.iter().enumerate().find(|(at, component)| component.mandatory && !held(Some(*at)));
            if let Some((_, component)) = missing {
                return Some(format!("{}/{}", element.id, component.id));
            }
        }
        None
    }

    /// The first value that its element has no room for, as the element and what it holds.
    pub(crate) fn unfit(&self, layout: &Layout) -> Option<(String, Form)> {
        self.held.cells.iter().find_map(|cell| {
            let element = layout.elements.get(usize::from(cell.element))?;
            let form = element.form_of(cell.component)?;
            let component = element.components.get(usize::from(cell.component)).map_or_else(String::new, |c| format!("/{}", c.id));
            let fits = form.fits(self.held.text.get(cell.start..cell.end).unwrap_or(""));
            (!fits).then(|| (format!("{}{component}", element.id), form))
        })
    }

    /// Appends the segment without its tag; what is empty at the end is left out.
    ///
    /// # Errors
    /// A character that the interchange cannot hold.
    pub(crate) fn write(&mut self, layout: &Layout, writing: &Writing, into: &mut String) -> Result<(), FormatError> {
        self.held.cells.sort_by_key(Cell::place);
        let characters = &writing.characters;
        let (mut element, mut repetition, mut component) = (None, 0, 0);
        for cell in &self.held.cells {
            if element != Some(cell.element) {
                let from = element.map_or(0, |e: u16| e + 1);
                for _ in from..=cell.element {
                    into.push(char::from(characters.element));
                }
                (element, repetition, component) = (Some(cell.element), 0, 0);
            }
            for _ in repetition..cell.repetition {
                into.push(char::from(characters.repetition.unwrap_or(b'*')));
                component = 0;
            }
            repetition = cell.repetition;
            for _ in component..cell.component {
                into.push(char::from(characters.component));
            }
            component = cell.component;
            let text = self.held.text.get(cell.start..cell.end).unwrap_or("");
            let within = layout.elements.get(usize::from(cell.element));
            let numeric = within.is_some_and(|e| e.components.get(usize::from(cell.component)).map_or(e.numeric, |c| c.numeric));
            if numeric && characters.decimal == b',' {
                escaped(&text.replace('.', ","), writing, into)?;
            } else {
                escaped(text, writing, into)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, element: u16, repetition: u16, component: u16, text: &str) {
        if text.is_empty() {
            return;
        }
        let start = self.held.text.len();
        self.held.text.push_str(text);
        self.held.cells.push(Cell { element, repetition, component, start, end: self.held.text.len() });
    }
}

/// Appends a value, with the release character before every service character in it.
fn escaped(text: &str, writing: &Writing, into: &mut String) -> Result<(), FormatError> {
    let characters = &writing.characters;
    let special = [Some(characters.component), Some(characters.element), Some(characters.terminator)];
    let special = [special[0], special[1], special[2], characters.release, characters.repetition];
    for character in text.chars() {
        let byte = u8::try_from(character).ok().filter(u8::is_ascii);
        if byte.is_none_or(|byte| !writing.level.holds(byte)) && !writing.holds_beyond(character) {
            let (code, level) = (u32::from(character), &writing.identifier);
            let zh = format!("{level} 级字符集无法表示字符 {character:?}（U+{code:04X}）");
            let en = format!("level {level} cannot hold the character {character:?} (U+{code:04X})");
            return Err(FormatError::new(FormatCode::CharacterUnmappable, Position::default(), zh, en));
        }
        if character == '\0' {
            let (zh, en) = ("值中含有 NUL（U+0000）字符", "a value holds a NUL character (U+0000)");
            return Err(FormatError::new(FormatCode::CharacterForbidden, Position::default(), zh, en));
        }
        if byte.is_some() && special.contains(&byte) {
            let Some(release) = characters.release else {
                let (zh, en) = (
                    format!("值中含有服务字符 {character:?}，而此交换没有转义字符"),
                    format!("a value holds the service character {character:?}, and this interchange has no release character"),
                );
                return Err(FormatError::new(FormatCode::CharacterForbidden, Position::default(), zh, en));
            };
            into.push(char::from(release));
        }
        into.push(character);
    }
    Ok(())
}
