//! An element of a pipeline as data, and how it is written down. It names no element itself.

#![deny(clippy::disallowed_methods)]

use std::fmt;

/// One element with everything that is not left at its default, set one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What is made.
    pub factory: &'static str,
    /// How it is found again.
    pub name: Option<&'static str>,
    /// In the order in which they are set.
    pub properties: Vec<(&'static str, Value)>,
}

/// What a property is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A media type.
    Caps(Caps),
    /// Driver controls: a structure of numbers.
    Controls(Vec<(&'static str, i32)>),
    /// Yes or no.
    Flag(bool),
    /// A whole number of whatever width the property has.
    Number(i64),
    /// Text as it was configured; never parsed.
    Text(String),
    /// A word of the property's own enumeration, or a constant in its own notation.
    Word(&'static str),
}

/// A media type with its fixed fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Such as `video/x-raw`.
    pub media_type: &'static str,
    /// In the order in which they are written.
    pub fields: Vec<(&'static str, Field)>,
}

/// A field of a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A whole number.
    Number(i32),
    /// So much to one: frames per second, the shape of a pixel.
    Ratio(i32),
    /// Text.
    Word(&'static str),
}

pub(super) fn element(factory: &'static str) -> Element {
    Element { factory, name: None, properties: Vec::new() }
}

impl Element {
    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    pub(super) fn with(mut self, property: &'static str, value: Value) -> Self {
        self.properties.push((property, value));
        self
    }
}

pub(super) fn filter(caps: Caps) -> Element {
    element("capsfilter").with("caps", Value::Caps(caps))
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.factory)?;
        if let Some(name) = self.name {
            write!(f, " name={name}")?;
        }
        self.properties.iter().try_for_each(|(property, value)| write!(f, " {property}={value}"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caps(caps) => caps.fmt(f),
            Self::Controls(controls) => f.debug_map().entries(controls.iter().copied()).finish(),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type)?;
        self.fields.iter().try_for_each(|(name, field)| match field {
            Field::Number(number) => write!(f, ",{name}={number}"),
            Field::Ratio(number) => write!(f, ",{name}={number}/1"),
            Field::Word(word) => write!(f, ",{name}={word}"),
        })
    }
}
