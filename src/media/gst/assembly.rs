//! From elements as data to elements: made, set and linked one by one. No text is ever parsed as a pipeline.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use crate::media::pipeline::{Caps, Element, Field, Value, plugin_package};
use crate::panel::fault::Fault;

/// Why something could not be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssemblyError {
    #[error("{0}")]
    Gstreamer(#[from] glib::BoolError),
    #[error("the GStreamer element {factory} is not installed{}", .package.map(|package| format!(": install the Debian package gstreamer1.0-{package}")).unwrap_or_default())]
    Missing { factory: &'static str, package: Option<&'static str> },
    #[error("the element {factory} has no property {property} that takes {value}")]
    Property { factory: &'static str, property: &'static str, value: String },
    #[error("{0}")]
    State(#[from] gst::StateChangeError),
    #[error("{0} is missing in webrtcbin")]
    Webrtc(&'static str),
}

impl AssemblyError {
    /// As it is told of a device.
    pub(super) fn fault(&self) -> Fault {
        Fault::failed(self.to_string())
    }
}

/// A branch that stands in its pipeline, linked inside, both ends free.
pub(super) struct Branch {
    elements: Vec<gst::Element>,
}

impl Branch {
    /// Makes, adds and links all of `parts`, in order.
    pub(super) fn build(pipeline: &gst::Pipeline, parts: &[Element]) -> Result<Self, AssemblyError> {
        let elements = parts.iter().map(make).collect::<Result<Vec<_>, _>>()?;
        pipeline.add_many(&elements)?;
        for pair in elements.windows(2) {
            if pair[0].static_pad("src").is_some() {
                pair[0].link(&pair[1])?;
            } else {
                link_when_decoded(&pair[0], &pair[1]);
            }
        }
        Ok(Self { elements })
    }

    /// The element where the data comes in.
    pub(super) fn first(&self) -> &gst::Element {
        self.elements.first().expect("no branch is empty")
    }

    /// The element where the data leaves.
    pub(super) fn last(&self) -> &gst::Element {
        self.elements.last().expect("no branch is empty")
    }

    /// The first element of this kind.
    pub(super) fn find(&self, factory: &str) -> Option<&gst::Element> {
        self.elements.iter().find(|element| element.factory().is_some_and(|made_by| made_by.name() == factory))
    }
}

/// A media type as GStreamer knows it.
pub(super) fn caps(caps: &Caps) -> gst::Caps {
    let mut structure = gst::Structure::new_empty(caps.media_type);
    for (name, field) in &caps.fields {
        match field {
            Field::Number(number) => structure.set(*name, *number),
            Field::Ratio(number) => structure.set(*name, gst::Fraction::new(*number, 1)),
            Field::Word(word) => structure.set(*name, *word),
        }
    }
    let mut caps = gst::Caps::new_empty();
    caps.get_mut().expect("nobody else holds it yet").append_structure(structure);
    caps
}

fn make(part: &Element) -> Result<gst::Element, AssemblyError> {
    let factory = gst::ElementFactory::find(part.factory)
        .ok_or_else(|| AssemblyError::Missing { factory: part.factory, package: plugin_package(part.factory) })?;
    let mut builder = factory.create();
    if let Some(name) = part.name {
        builder = builder.name(name);
    }
    let element = builder.build()?;
    for (property, value) in &part.properties {
        let refused = || AssemblyError::Property { factory: part.factory, property, value: value.to_string() };
        let specification = element.find_property(property).ok_or_else(refused)?;
        let value = glib_value(value, &specification).ok_or_else(refused)?;
        element.set_property_from_value(property, &value);
    }
    Ok(element)
}

/// Sets a property of an element that runs. One that it does not have, or not this way, is passed over with a word.
pub(super) fn change(element: &gst::Element, property: &str, value: &Value) {
    let specification = element.find_property(property);
    match specification.and_then(|specification| glib_value(value, &specification)) {
        Some(value) => element.set_property_from_value(property, &value),
        None => tracing::warn!(element = %element.name(), property, %value, "this cannot be changed"),
    }
}

/// The value in the type of the property; nothing if it does not fit.
fn glib_value(value: &Value, specification: &glib::ParamSpec) -> Option<glib::Value> {
    let wanted = specification.value_type();
    let converted = match value {
        Value::Caps(described) => caps(described).to_value(),
        Value::Controls(controls) => {
            let mut structure = gst::Structure::new_empty("controls");
            controls.iter().for_each(|(name, number)| structure.set(*name, *number));
            structure.to_value()
        }
        Value::Flag(flag) => flag.to_value(),
        Value::Number(number) => match wanted {
            glib::Type::I32 => i32::try_from(*number).ok()?.to_value(),
            glib::Type::U32 => u32::try_from(*number).ok()?.to_value(),
            glib::Type::I64 => number.to_value(),
            glib::Type::F64 => f64::from(i32::try_from(*number).ok()?).to_value(),
            glib::Type::U64 => u64::try_from(*number).ok()?.to_value(),
            _ => return None,
        },
        Value::Text(text) => text.to_value(),
        Value::Word(word) => glib::Value::deserialize_with_pspec(word, specification).ok()?,
    };
    (converted.type_() == wanted).then_some(converted)
}

/// A decoder knows its pads only when it has seen the data; the first that fits is taken.
fn link_when_decoded(decoder: &gst::Element, next: &gst::Element) {
    let next = next.downgrade();
    decoder.connect_pad_added(move |_, pad| {
        let Some(sink) = next.upgrade().and_then(|next| next.static_pad("sink")) else { return };
        // The other streams of the file fit nowhere and stay as they are.
        if !sink.is_linked() {
            let _ = pad.link(&sink);
        }
    });
}
