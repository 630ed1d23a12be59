//! Description of the client's host (MS-PSRP 2.2.3.14).

use crate::clixml::{Content, Index, Object, Primitive, Value};
use crate::error::PsrpError;
use crate::fields::Fields;

/// Description of the client's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInfo {
    /// Whether the client has no host; the server then fails every host call itself.
    pub is_host_null: bool,
    /// Whether the host has no user interface.
    pub is_ui_null: bool,
    /// Whether the user interface has no access to the screen.
    pub is_raw_ui_null: bool,
    /// Whether a pipeline uses the host of its pool.
    pub use_runspace_host: bool,
    /// State of the client's console.
    pub console: Option<Box<ConsoleState>>,
}

impl HostInfo {
    /// Description of a client without host.
    pub const NONE: Self = Self {
        is_host_null: true,
        is_ui_null: true,
        is_raw_ui_null: true,
        use_runspace_host: true,
        console: None,
    };

    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "HostInfo", index)?;
        let console =
            fields.present("_hostDefaultData").map(|value| ConsoleState::read(value, index)).transpose()?;
        Ok(Self {
            is_host_null: fields.bool("_isHostNull")?,
            is_ui_null: fields.bool("_isHostUINull")?,
            is_raw_ui_null: fields.bool("_isHostRawUINull")?,
            use_runspace_host: fields.bool("_useRunspaceHost")?,
            console: console.map(Box::new),
        })
    }

    pub(super) fn write(&self) -> Object {
        let flags = [
            ("_isHostNull", self.is_host_null.into()),
            ("_isHostUINull", self.is_ui_null.into()),
            ("_isHostRawUINull", self.is_raw_ui_null.into()),
            ("_useRunspaceHost", self.use_runspace_host.into()),
        ];
        let console = self.console.as_ref().map(|console| ("_hostDefaultData", console.write().into()));
        Object::with_properties(flags.into_iter().chain(console))
    }
}

/// State of the client's console; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleState {
    /// Number of the text colour, 0 to 15.
    pub foreground: Option<i32>,
    /// Number of the background colour, 0 to 15.
    pub background: Option<i32>,
    /// Position of the cursor.
    pub cursor_position: Option<Coordinates>,
    /// Position of the window in the buffer.
    pub window_position: Option<Coordinates>,
    /// Height of the cursor in percent of a cell.
    pub cursor_size: Option<i32>,
    /// Size of the buffer.
    pub buffer_size: Option<Size>,
    /// Size of the window.
    pub window_size: Option<Size>,
    /// Maximum size of the window for the current buffer.
    pub max_window_size: Option<Size>,
    /// Maximum size of the window for any buffer.
    pub max_physical_window_size: Option<Size>,
    /// Title of the window.
    pub window_title: Option<String>,
}

/// Position in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coordinates {
    /// Column.
    pub x: i32,
    /// Row.
    pub y: i32,
}

/// Size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of columns.
    pub width: i32,
    /// Number of rows.
    pub height: i32,
}

impl ConsoleState {
    fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "HostInfo", index)?;
        let entries = fields.value("data")?.entries().ok_or_else(|| fields.error("data"))?;
        let mut state = Self::default();
        for (key, value) in entries {
            let content = Fields::of(value, "HostInfo", index)?.value("V")?;
            match key.as_i32() {
                Some(0) => state.foreground = content.as_i32(),
                Some(1) => state.background = content.as_i32(),
                Some(2) => state.cursor_position = Coordinates::read(content, index),
                Some(3) => state.window_position = Coordinates::read(content, index),
                Some(4) => state.cursor_size = content.as_i32(),
                Some(5) => state.buffer_size = Size::read(content, index),
                Some(6) => state.window_size = Size::read(content, index),
                Some(7) => state.max_window_size = Size::read(content, index),
                Some(8) => state.max_physical_window_size = Size::read(content, index),
                Some(9) => state.window_title = content.as_str().map(str::to_owned),
                _ => {}
            }
        }
        Ok(state)
    }

    fn write(&self) -> Object {
        const COLOR: &str = "System.ConsoleColor";
        const NUMBER: &str = "System.Int32";
        const COORDINATES: &str = "System.Management.Automation.Host.Coordinates";
        const SIZE: &str = "System.Management.Automation.Host.Size";
        let parts = [
            (COLOR, self.foreground.map(Value::from)),
            (COLOR, self.background.map(Value::from)),
            (COORDINATES, self.cursor_position.map(Coordinates::write)),
            (COORDINATES, self.window_position.map(Coordinates::write)),
            (NUMBER, self.cursor_size.map(Value::from)),
            (SIZE, self.buffer_size.map(Size::write)),
            (SIZE, self.window_size.map(Size::write)),
            (SIZE, self.max_window_size.map(Size::write)),
            (SIZE, self.max_physical_window_size.map(Size::write)),
            ("System.String", self.window_title.as_deref().map(Value::from)),
        ];
        let entries = (0_i32..).zip(parts).filter_map(|(key, (type_name, content))| {
            let typed = Object::with_properties([("T", type_name.into()), ("V", content?)]);
            Some((Primitive::from(key).into(), typed.into()))
        });
        let data = Object::with_content(Content::Dictionary(entries.collect()));
        let data = data.typed(&["System.Collections.Hashtable", "System.Object"]);
        Object::with_properties([("data", data.into())])
    }
}

impl Coordinates {
    fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Option<Self> {
        let fields = Fields::of(value, "HostInfo", index).ok()?;
        Some(Self { x: fields.i32("x").ok()?, y: fields.i32("y").ok()? })
    }

    fn write(self) -> Value {
        Object::with_properties([("x", self.x.into()), ("y", self.y.into())]).into()
    }
}

impl Size {
    fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Option<Self> {
        let fields = Fields::of(value, "HostInfo", index).ok()?;
        Some(Self { width: fields.i32("width").ok()?, height: fields.i32("height").ok()? })
    }

    fn write(self) -> Value {
        Object::with_properties([("width", self.width.into()), ("height", self.height.into())]).into()
    }
}
