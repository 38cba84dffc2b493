//! A pickle machine that builds data and calls nothing. Used by `checkpoint` alone.
//!
//! A pickle names functions to call. This machine knows what one of them returns, that of `PyTorch` that
//! describes a tensor, and `OrderedDict`; the result of every other call is an inert value.

/// Containers live in [`Machine::arena`], so that the memo and the stack share them, and no nesting of
/// a file can overflow the stack of this program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Inert,
    Int(i64),
    Text(String),
    Global(String),
    Tuple(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

/// What a pickle says about a tensor; the numbers are in another file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    pub(crate) storage: String,
    pub(crate) is_float: bool,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) stride: Vec<usize>,
}

impl Described {
    /// Values in the tensor.
    pub(crate) fn len(&self) -> usize {
        self.shape
            .iter()
            .fold(1, |product: usize, length| product.saturating_mul(*length))
    }

    /// Whether the values lie row by row without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1_usize;
        self.shape.len() == self.stride.len()
            && self
                .shape
                .iter()
                .zip(&self.stride)
                .rev()
                .all(|(length, stride)| {
                    let fits = *length == 1 || *stride == expected;
                    expected = expected.saturating_mul(*length);
                    fits
                })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Machine {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: std::collections::HashMap<u32, Value>,
    /// Tuples and dictionaries; a dictionary alternates keys and values.
    arena: Vec<Vec<Value>>,
    storages: Vec<(String, bool)>,
    tensors: Vec<Described>,
}

impl Machine {
    /// Runs a whole pickle. The error says what was not understood.
    pub(crate) fn run(pickle: &[u8]) -> Result<Self, String> {
        let mut machine = Self::default();
        let mut input = Input { rest: pickle };
        while machine.step(&mut input)? {}
        Ok(machine)
    }

    /// What a described tensor is.
    pub(crate) fn tensor(&self, index: usize) -> &Described {
        &self.tensors[index]
    }

    /// The dictionary of tensors: the whole pickle, or its `state_dict`.
    pub(crate) fn state_dict(&self) -> Result<Vec<(String, Value)>, String> {
        let root = self.stack.last().ok_or("it is empty")?;
        let entries = self.entries(root).ok_or("it holds no dictionary")?;
        let nested = entries.iter().find(|(name, _)| name == "state_dict");
        match nested {
            Some((_, inner)) => self
                .entries(inner)
                .ok_or_else(|| "its state_dict is no dictionary".to_owned()),
            None => Ok(entries),
        }
    }

    fn entries(&self, value: &Value) -> Option<Vec<(String, Value)>> {
        let Value::Dict(index) = value else {
            return None;
        };
        let entries =
            self.arena[*index]
                .as_chunks()
                .0
                .iter()
                .filter_map(|[key, value]| match key {
                    Value::Text(name) => Some((name.clone(), value.clone())),
                    _ => None,
                });
        Some(entries.collect())
    }

    /// One instruction; false at the end of the pickle.
    fn step(&mut self, input: &mut Input<'_>) -> Result<bool, String> {
        let code = input.byte()?;
        match code {
            // PROTO: the version.
            0x80 => {
                input.byte()?;
            }
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            // NONE, NEWTRUE, NEWFALSE.
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Inert),
            // BINFLOAT.
            b'G' => {
                input.bytes(8)?;
                self.stack.push(Value::Inert);
            }
            b'K' => {
                let value = i64::from(input.byte()?);
                self.stack.push(Value::Int(value));
            }
            b'M' => {
                let value = i64::from(u16::from_le_bytes(input.array()?));
                self.stack.push(Value::Int(value));
            }
            b'J' => {
                let value = i64::from(i32::from_le_bytes(input.array()?));
                self.stack.push(Value::Int(value));
            }
            // BINUNICODE.
            b'X' => {
                let length = u32::from_le_bytes(input.array()?);
                let text = String::from_utf8_lossy(input.bytes(length as usize)?);
                self.stack.push(Value::Text(text.into_owned()));
            }
            // GLOBAL: module and name, a line each.
            b'c' => {
                let name = format!("{} {}", input.line()?, input.line()?);
                self.stack.push(Value::Global(name));
            }
            // EMPTY_TUPLE, EMPTY_LIST.
            b')' | b']' => self.push_tuple(Vec::new()),
            b'}' => self.push_dict(),
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let items = self.pop_many(count)?;
                self.push_tuple(items);
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push_tuple(items);
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.extend_top(items)?;
            }
            // SETITEMS, APPENDS.
            b'u' | b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_top(items)?;
            }
            // BINPUT, LONG_BINPUT.
            b'q' => {
                let place = u32::from(input.byte()?);
                self.remember(place)?;
            }
            b'r' => {
                let place = u32::from_le_bytes(input.array()?);
                self.remember(place)?;
            }
            // BINGET, LONG_BINGET.
            b'h' => {
                let place = u32::from(input.byte()?);
                self.recall(place)?;
            }
            b'j' => {
                let place = u32::from_le_bytes(input.array()?);
                self.recall(place)?;
            }
            // BINPERSID.
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(&id)?;
                self.stack.push(storage);
            }
            // REDUCE, NEWOBJ.
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                let result = self.call(&function, &arguments)?;
                self.stack.push(result);
            }
            // BUILD: sets the state of an object, which is inert here.
            b'b' => {
                self.pop()?;
            }
            other => return Err(format!("its pickle has the instruction {other:#04x}")),
        }

        Ok(true)
    }

    fn call(&mut self, function: &Value, arguments: &Value) -> Result<Value, String> {
        let Value::Global(name) = function else {
            return Ok(Value::Inert);
        };
        match name.as_str() {
            "collections OrderedDict" => {
                self.arena.push(Vec::new());
                Ok(Value::Dict(self.arena.len() - 1))
            }
            "torch._utils _rebuild_tensor_v2" => self.describe(arguments),
            _ => Ok(Value::Inert),
        }
    }

    /// `(storage, offset, shape, stride, …)`.
    fn describe(&mut self, arguments: &Value) -> Result<Value, String> {
        let wrong = "it describes a tensor in another way than PyTorch does";
        let items = self.items(arguments).ok_or(wrong)?;
        let [
            Value::Storage(storage),
            Value::Int(offset),
            shape,
            stride,
            ..,
        ] = items
        else {
            return Err(wrong.to_owned());
        };
        let (name, is_float) = self.storages[*storage].clone();
        let described = Described {
            storage: name,
            is_float,
            offset: usize::try_from(*offset).map_err(|_| wrong)?,
            shape: self.lengths(shape).ok_or(wrong)?,
            stride: self.lengths(stride).ok_or(wrong)?,
        };
        self.tensors.push(described);
        Ok(Value::Tensor(self.tensors.len() - 1))
    }

    /// `("storage", type, key, device, count)`.
    fn storage(&mut self, id: &Value) -> Result<Value, String> {
        let items = self.items(id).ok_or("it names a storage by no tuple")?;
        let [_, Value::Global(kind), Value::Text(key), ..] = items else {
            return Err("it names a storage in another way than PyTorch does".to_owned());
        };
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("it names a storage that is no number".to_owned());
        }
        let storage = (key.clone(), kind == "torch FloatStorage");
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() - 1))
    }

    fn items(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::Tuple(index) => Some(&self.arena[*index]),
            _ => None,
        }
    }

    fn lengths(&self, value: &Value) -> Option<Vec<usize>> {
        self.items(value)?
            .iter()
            .map(|item| match item {
                Value::Int(number) => usize::try_from(*number).ok(),
                _ => None,
            })
            .collect()
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        self.arena.push(items);
        self.stack.push(Value::Tuple(self.arena.len() - 1));
    }

    fn push_dict(&mut self) {
        self.arena.push(Vec::new());
        self.stack.push(Value::Dict(self.arena.len() - 1));
    }

    /// Adds to the container on top of the stack; an inert object takes nothing.
    fn extend_top(&mut self, items: Vec<Value>) -> Result<(), String> {
        match self.stack.last() {
            Some(Value::Dict(index) | Value::Tuple(index)) => self.arena[*index].extend(items),
            Some(_) => {}
            None => return Err(too_short()),
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(too_short)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let start = self.stack.len().checked_sub(count).ok_or_else(too_short)?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or_else(too_short)?;
        if mark > self.stack.len() {
            return Err(too_short());
        }
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let value = self.stack.last().cloned().ok_or_else(too_short)?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        let value = self.memo.get(&place).cloned();
        self.stack.push(value.ok_or_else(too_short)?);
        Ok(())
    }
}

fn too_short() -> String {
    "its pickle is cut short or damaged".to_owned()
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(too_short)?;
        self.rest = rest;
        Ok(*head)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or_else(too_short)?;
        self.rest = rest;
        Ok(head)
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.bytes(end.ok_or_else(too_short)?)?;
        self.byte()?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod tests;
