//! Host values that guests name by numbers.
//!
//! A guest can hold no Rust value, only numbers. An embedder whose guests open files, connections
//! or queries keeps them in a [`ResourceTable`] in the store's data, and gives the guest the number
//! of a [`Resource`]. Whatever number comes back is checked: that the resource exists, and is of
//! the type.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::mem;

/// The most resources of a table, unless another number is [set](ResourceTable::set_max_capacity).
const DEFAULT_MAX_CAPACITY: usize = 1_000_000;

/// The handle of a value of type `T` in a [`ResourceTable`]: a number, [`rep`](Self::rep), that can
/// be given to a guest, and the type.
///
/// An *owned* handle is to be used up by [`ResourceTable::delete`]; a *borrowed* one only names the
/// value. Neither has a lifetime: a handle of a value that was deleted is an error where it is
/// used, or names the value that has the number by then, if that is of the type too.
pub struct Resource<T> {
    rep: u32,
    owned: bool,
    _type: PhantomData<fn() -> T>,
}

impl<T> Resource<T> {
    /// An owned handle of the value with the number, as it came from a guest.
    pub fn new_own(rep: u32) -> Self {
        Self {
            rep,
            owned: true,
            _type: PhantomData,
        }
    }

    /// A borrowed handle of the value with the number, as it came from a guest.
    pub fn new_borrow(rep: u32) -> Self {
        Self {
            owned: false,
            ..Self::new_own(rep)
        }
    }

    /// The number of the value in its table.
    pub fn rep(&self) -> u32 {
        self.rep
    }

    /// Whether the handle is an owned one.
    pub fn owned(&self) -> bool {
        self.owned
    }
}

impl<T> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("rep", &self.rep)
            .field("owned", &self.owned)
            .finish()
    }
}

/// What a [`ResourceTable`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceTableError {
    /// The table has as many resources as it may have.
    #[error("resource table has no free keys")]
    Full,
    /// No resource has the number.
    #[error("resource not present")]
    NotPresent,
    /// The resource with the number is of another type.
    #[error("resource is of another type")]
    WrongType,
    /// The resource can't be deleted, as others belong to it.
    #[error("resource has children")]
    HasChildren,
    /// The resource belongs to another one already, or to the one that is to belong to it.
    #[error("resource has a parent already")]
    HasParent,
    /// The resource does not belong to the other one.
    #[error("resource is not a child of the other one")]
    NotChild,
}

/// A table of values of any types, by number.
///
/// A number is that of one value until the value is deleted, and is given to another one later.
/// A value can be the *child* of another, which it refers to: a parent can't be deleted before its
/// children. All operations take constant time but for those that list, or link one value to
/// another, which look at its ancestors.
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Caller, Engine, Linker, Module, Resource, ResourceTable, Result, Store};
///
/// let engine = Engine::default();
/// let mut linker = Linker::<ResourceTable>::new(&engine);
/// type Host<'a> = Caller<'a, ResourceTable>;
/// linker.func_wrap("log", "open", |mut caller: Host<'_>| -> Result<u32> {
///     Ok(caller.data_mut().push(String::new())?.rep())
/// })?;
/// linker.func_wrap("log", "put", |mut caller: Host<'_>, log: u32, c: u32| -> Result<()> {
///     let text = caller.data_mut().get_mut(&Resource::<String>::new_borrow(log))?;
///     text.push(char::from(c as u8));
///     Ok(())
/// })?;
/// linker.func_wrap("log", "close", |mut caller: Host<'_>, log: u32| -> Result<()> {
///     let text = caller.data_mut().delete(Resource::<String>::new_own(log))?;
///     assert_eq!(text, "A");
///     Ok(())
/// })?;
/// let module = Module::new(&engine, r#"(module
///     (import "log" "open" (func $open (result i32)))
///     (import "log" "put" (func $put (param i32 i32)))
///     (import "log" "close" (func $close (param i32)))
///     (func (export "run") (local $log i32)
///         (call $put (local.tee $log (call $open)) (i32.const 65))
///         (call $close (local.get $log))
///         (call $put (local.get $log) (i32.const 66))))"#)?;
/// let mut store = Store::new(&engine, ResourceTable::new());
/// let instance = linker.instantiate(&mut store, &module)?;
/// let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
/// let error = run.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.root_cause().to_string(), "resource not present");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct ResourceTable {
    slots: Vec<Slot>,
    /// The latest of the free slots, each of which has the one before.
    free: Option<u32>,
    len: usize,
    max_capacity: usize,
}

#[derive(Debug)]
enum Slot {
    Free { next: Option<u32> },
    Taken(Entry),
}

/// A value and what it belongs to. Both ends of a link name each other.
#[derive(Debug)]
struct Entry {
    value: Box<dyn Any + Send>,
    parent: Option<u32>,
    children: BTreeSet<u32>,
}

impl Slot {
    fn taken(&self) -> Option<&Entry> {
        match self {
            Slot::Taken(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }

    fn taken_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Slot::Taken(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }
}

impl Default for ResourceTable {
    fn default() -> Self {
        Self::new()
    }
}

impl ResourceTable {
    /// Creates an empty table.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// Creates an empty table with room for so many resources.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            free: None,
            len: 0,
            max_capacity: DEFAULT_MAX_CAPACITY,
        }
    }

    /// The number of resources.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no resource.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most resources that the table may have: a million, unless another number was set.
    pub fn max_capacity(&self) -> usize {
        self.max_capacity
    }

    /// Sets the most resources that the table may have. Those that are there stay, even if there
    /// are more.
    pub fn set_max_capacity(&mut self, max: usize) {
        self.max_capacity = max;
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::Full`], at the [most](Self::max_capacity) resources.
    pub fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, ResourceTableError> {
        self.insert(Box::new(value), None).map(Resource::new_own)
    }

    /// Adds a value that belongs to another one, which can't be deleted before it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`ResourceTableError::NotPresent`] if the parent does not
    /// exist.
    pub fn push_child<T: Send + 'static, U: 'static>(
        &mut self,
        value: T,
        parent: &Resource<U>,
    ) -> Result<Resource<T>, ResourceTableError> {
        self.entry(parent.rep)?;
        let child = self.insert(Box::new(value), Some(parent.rep))?;
        self.entry_mut(parent.rep)?.children.insert(child);
        Ok(Resource::new_own(child))
    }

    /// Makes a value that belongs to none a child of another one.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`] if either does not exist;
    /// [`ResourceTableError::HasParent`] if the child belongs to a value, or the parent is the
    /// child itself or one of those that belong to it.
    pub fn add_child<T: 'static, U: 'static>(
        &mut self,
        child: Resource<T>,
        parent: Resource<U>,
    ) -> Result<(), ResourceTableError> {
        let mut ancestor = Some(parent.rep);
        while let Some(rep) = ancestor {
            ancestor = self.entry(rep)?.parent;
            if rep == child.rep {
                return Err(ResourceTableError::HasParent);
            }
        }
        let entry = self.entry_mut(child.rep)?;
        if entry.parent.is_some() {
            return Err(ResourceTableError::HasParent);
        }
        entry.parent = Some(parent.rep);
        self.entry_mut(parent.rep)?.children.insert(child.rep);
        Ok(())
    }

    /// Makes a child of a value belong to none; it stays in the table.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`] if either does not exist, and
    /// [`ResourceTableError::NotChild`] if they don't belong to each other.
    pub fn remove_child<T: 'static, U: 'static>(
        &mut self,
        child: Resource<T>,
        parent: Resource<U>,
    ) -> Result<(), ResourceTableError> {
        self.entry(child.rep)?;
        if !self.entry_mut(parent.rep)?.children.remove(&child.rep) {
            return Err(ResourceTableError::NotChild);
        }
        self.entry_mut(child.rep)?.parent = None;
        Ok(())
    }

    /// The value of a handle.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`] or [`ResourceTableError::WrongType`].
    pub fn get<T: Any>(&self, key: &Resource<T>) -> Result<&T, ResourceTableError> {
        let value: &dyn Any = &*self.entry(key.rep)?.value;
        value.downcast_ref().ok_or(ResourceTableError::WrongType)
    }

    /// The value of a handle, mutable.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`] or [`ResourceTableError::WrongType`].
    pub fn get_mut<T: Any>(&mut self, key: &Resource<T>) -> Result<&mut T, ResourceTableError> {
        let value = self.get_any_mut(key.rep)?;
        value.downcast_mut().ok_or(ResourceTableError::WrongType)
    }

    /// The value with a number, of whatever type.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`].
    pub fn get_any_mut(&mut self, key: u32) -> Result<&mut dyn Any, ResourceTableError> {
        Ok(&mut *self.entry_mut(key)?.value)
    }

    /// Removes a value and returns it. Its number is free.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`], [`ResourceTableError::WrongType`], or
    /// [`ResourceTableError::HasChildren`]; the table is unchanged then.
    pub fn delete<T: Any>(&mut self, resource: Resource<T>) -> Result<T, ResourceTableError> {
        let rep = resource.rep;
        let entry = self.entry(rep)?;
        if !entry.value.is::<T>() {
            return Err(ResourceTableError::WrongType);
        }
        if !entry.children.is_empty() {
            return Err(ResourceTableError::HasChildren);
        }
        let free = Slot::Free { next: self.free };
        let Slot::Taken(entry) = mem::replace(&mut self.slots[rep as usize], free) else {
            return Err(ResourceTableError::NotPresent);
        };
        self.free = Some(rep);
        self.len -= 1;
        if let Some(parent) = entry.parent {
            self.entry_mut(parent)?.children.remove(&rep);
        }
        let value: Box<dyn Any> = entry.value;
        let value = value
            .downcast()
            .map_err(|_| ResourceTableError::WrongType)?;
        Ok(*value)
    }

    /// The values with the numbers of a map, mutable and at once, each with what the map has for
    /// it.
    pub fn iter_entries<T>(
        &mut self,
        map: BTreeMap<u32, T>,
    ) -> impl Iterator<Item = (Result<&mut dyn Any, ResourceTableError>, T)> {
        // Numbers rise, so each value is split off what is left of the slots.
        let (mut rest, mut first) = (&mut self.slots[..], 0_usize);
        map.into_iter().map(move |(rep, item)| {
            let skipped = rep as usize - first;
            let slots = mem::take(&mut rest);
            let Some((head, tail)) = slots.split_at_mut_checked(skipped + 1) else {
                return (Err(ResourceTableError::NotPresent), item);
            };
            (rest, first) = (tail, rep as usize + 1);
            let entry = head[skipped].taken_mut();
            let value = entry.map(|entry| &mut *entry.value as &mut dyn Any);
            (value.ok_or(ResourceTableError::NotPresent), item)
        })
    }

    /// The children of a value, by rising numbers.
    ///
    /// # Errors
    ///
    /// [`ResourceTableError::NotPresent`].
    pub fn iter_children<T: 'static>(
        &self,
        parent: &Resource<T>,
    ) -> Result<impl Iterator<Item = &(dyn Any + Send)> + use<'_, T>, ResourceTableError> {
        let children = self.entry(parent.rep)?.children.iter();
        let entries = children.filter_map(|&child| self.entry(child).ok());
        Ok(entries.map(|entry| &*entry.value))
    }

    fn insert(
        &mut self,
        value: Box<dyn Any + Send>,
        parent: Option<u32>,
    ) -> Result<u32, ResourceTableError> {
        if self.len >= self.max_capacity {
            return Err(ResourceTableError::Full);
        }
        let entry = Slot::Taken(Entry {
            value,
            parent,
            children: BTreeSet::new(),
        });
        let rep = match self.free {
            Some(rep) => {
                let slot = mem::replace(&mut self.slots[rep as usize], entry);
                if let Slot::Free { next } = slot {
                    self.free = next;
                }
                rep
            }
            None => {
                let rep = u32::try_from(self.slots.len()).map_err(|_| ResourceTableError::Full)?;
                self.slots.push(entry);
                rep
            }
        };
        self.len += 1;
        Ok(rep)
    }

    fn entry(&self, rep: u32) -> Result<&Entry, ResourceTableError> {
        let slot = self.slots.get(rep as usize);
        slot.and_then(Slot::taken)
            .ok_or(ResourceTableError::NotPresent)
    }

    fn entry_mut(&mut self, rep: u32) -> Result<&mut Entry, ResourceTableError> {
        let slot = self.slots.get_mut(rep as usize);
        slot.and_then(Slot::taken_mut)
            .ok_or(ResourceTableError::NotPresent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent<T>(resource: &Resource<T>) -> Resource<T> {
        Resource::new_borrow(resource.rep())
    }

    #[test]
    fn values_are_found_by_number_and_type() {
        let mut table = ResourceTable::new();
        let text = table.push(String::from("text")).unwrap();
        let number = table.push(7_u64).unwrap();
        assert_eq!(table.get(&text).unwrap(), "text");
        *table.get_mut(&number).unwrap() += 1;
        assert_eq!(table.get(&number), Ok(&8));
        let wrong = Resource::<u64>::new_borrow(text.rep());
        assert_eq!(table.get(&wrong), Err(ResourceTableError::WrongType));
        assert_eq!(table.delete(wrong), Err(ResourceTableError::WrongType));
        assert_eq!(table.get(&text).unwrap(), "text");
        let absent = Resource::<u64>::new_borrow(2);
        assert_eq!(table.get(&absent), Err(ResourceTableError::NotPresent));
        let again = lent(&number);
        assert_eq!(table.delete(number), Ok(8));
        assert_eq!(table.delete(again), Err(ResourceTableError::NotPresent));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn numbers_are_used_again_and_limited() {
        let mut table = ResourceTable::with_capacity(3);
        table.set_max_capacity(3);
        let handles: Vec<_> = (0..3).map(|n| table.push(n).unwrap()).collect();
        assert_eq!(table.push(3).unwrap_err(), ResourceTableError::Full);
        let numbers: Vec<_> = handles.iter().map(Resource::rep).collect();
        for handle in handles {
            table.delete(handle).unwrap();
        }
        assert!(table.is_empty());
        let mut again: Vec<_> = (0..3).map(|n| table.push(n).unwrap().rep()).collect();
        again.sort();
        assert_eq!(again, numbers);
        assert_eq!(table.push(3).unwrap_err(), ResourceTableError::Full);
    }

    #[test]
    fn children_go_before_their_parents() {
        let mut table = ResourceTable::new();
        let parent = table.push("parent").unwrap();
        let child = table.push_child("child", &parent).unwrap();
        let other = table.push("other").unwrap();
        assert_eq!(
            table.delete(lent(&parent)),
            Err(ResourceTableError::HasChildren)
        );
        table.add_child(lent(&other), lent(&parent)).unwrap();
        for (child, parent) in [(&other, &child), (&parent, &other), (&parent, &parent)] {
            let linked = table.add_child(lent(child), lent(parent));
            assert_eq!(linked, Err(ResourceTableError::HasParent));
        }
        let children = table.iter_children(&parent).unwrap();
        let children: Vec<_> = children.map(|child| child.downcast_ref::<&str>()).collect();
        assert_eq!(children, [Some(&"child"), Some(&"other")]);
        table.remove_child(lent(&other), lent(&parent)).unwrap();
        let removed = table.remove_child(lent(&other), lent(&parent));
        assert_eq!(removed, Err(ResourceTableError::NotChild));
        assert_eq!(table.delete(child), Ok("child"));
        assert_eq!(table.delete(parent), Ok("parent"));
        assert_eq!(table.get(&other), Ok(&"other"));
    }

    #[test]
    fn several_values_are_borrowed_at_once() {
        let mut table = ResourceTable::new();
        for n in 0..5_u32 {
            table.push(n).unwrap();
        }
        table.delete(Resource::<u32>::new_own(2)).unwrap();
        let keys = BTreeMap::from([(0, 'a'), (2, 'b'), (4, 'c'), (9, 'd'), (10, 'e')]);
        let found: Vec<_> = table.iter_entries(keys).collect();
        let found = found.into_iter().map(|(value, item)| {
            let value = value.map(|value| *value.downcast_mut::<u32>().unwrap());
            (value.ok(), item)
        });
        let expected = [
            (Some(0), 'a'),
            (None, 'b'),
            (Some(4), 'c'),
            (None, 'd'),
            (None, 'e'),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
