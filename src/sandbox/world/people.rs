//! Suppliers, employees and roles: three lists of the server's XML interface.

use serde_json::{Value, json};

use super::{
    dice::{Dice, id},
    names,
};

/// How many employees a world has, system accounts aside.
const EMPLOYEES: usize = 45;

/// The roles; the last one is deleted.
pub(super) fn roles(seed: u64) -> Vec<Value> {
    let last = names::ROLES.len() - 1;
    let role = |(index, (code, name)): (usize, &(&str, &str))| {
        let schedules = ["SESSION", "HOURS", "FIXED"];
        let mut role = json!({"id": id(seed, "role", index), "code": code, "name": name,
            "paymentPerHour": format!("{}.500000000", 150 + 20 * index),
            "scheduleType": schedules[index % schedules.len()], "deleted": index == last});
        if index % 3 == 2 {
            role["steadySalary"] = json!(format!("{}.000000000", 60_000 + 5_000 * index));
        }
        role
    };
    names::ROLES.iter().enumerate().map(role).collect()
}

/// Suppliers: companies, one store that acts as a supplier, one deleted.
pub(super) fn suppliers(seed: u64) -> Vec<Value> {
    let last = names::COMPANIES.len() - 1;
    let mut all: Vec<_> = names::COMPANIES
        .iter()
        .enumerate()
        .map(|(index, name)| {
            json!({"id": id(seed, "supplier", index), "code": (190 + index).to_string(), "name": name,
                "cardNumber": "",
                "taxpayerIdNumber": if index % 4 == 3 { String::new() } else { format!("39{index:08}") },
                "snils": "", "phone": format!("+7 4012 {:06}", 500_000 + index), "deleted": index == last,
                "supplier": true, "employee": false, "client": false, "representsStore": false})
        })
        .collect();
    all.push(json!({"id": id(seed, "supplier", 900), "code": "", "name": "Хоз. товары (Московский)",
        "deleted": false, "supplier": true, "employee": false, "client": false, "representsStore": true,
        "representedStoreId": id(seed, "store", 2)}));
    all
}

/// Employees: people with one or two departments, some dismissed (deleted), and the built-in system accounts.
pub(super) fn employees(seed: u64, roles: &[Value]) -> Vec<Value> {
    let mut dice = Dice::new(seed, "employees");
    let mut all: Vec<_> = ["Системный пользователь", "iikoTransport", "Администратор"]
        .iter()
        .enumerate()
        .map(|(index, name)| {
            json!({"id": id(seed, "system account", index), "code": "", "name": name, "deleted": false,
                "supplier": false, "employee": true, "client": false})
        })
        .collect();
    all.extend((0..EMPLOYEES).map(|index| employee(seed, index, &mut dice, roles)));
    all
}

/// One person, with the personal fields that a real answer has. They are invented.
fn employee(seed: u64, index: usize, dice: &mut Dice, roles: &[Value]) -> Value {
    let [first, middle, last] =
        if dice.percent(50) { names::WOMEN } else { names::MEN }.map(|names| dice.pick(names));
    let middle = if dice.percent(50) { middle } else { "" };
    let role = &roles[dice.below(roles.len() - 1)];
    let department = 1 + dice.below(4);
    let departments = if dice.percent(40) {
        json!([department.to_string(), (department % 4 + 1).to_string()])
    } else {
        json!(department.to_string())
    };
    let deleted = index % 9 == 8;
    let mut employee = json!({
        "id": id(seed, "employee", index), "code": format!("{:03}", index + 1),
        "name": format!("{first} {last}"),
        "login": format!("user{}", index + 1), "password": "", "mainRoleId": role["id"],
        "rolesIds": [role["id"]],
        "mainRoleCode": role["code"], "roleCodes": [role["code"]], "phone": "",
        "cellPhone": format!("+7 900 {:07}", 1_000_000 + index * 137), "firstName": first,
        "middleName": middle,
        "lastName": last,
        "birthday": format!("19{}-0{}-1{}T00:00:00+02:00", 70 + index % 30, 1 + index % 9, index % 9),
        "email": format!("user{}@example.org", index + 1), "address": "Калининград, ул. Морская, 1",
        "hireDate": format!("2021-0{}-01T00:00:00+02:00", 1 + index % 9),
        "cardNumber": format!("{:06}", 4_000 + index),
        "pinCode": format!("{:04}", 1_000 + index * 7), "taxpayerIdNumber": format!("3906{index:08}"),
        "snils": format!("001-002-{:03} 0{}", index, index % 10),
        "preferredDepartmentCode": department.to_string(),
        "departmentCodes": departments, "deleted": deleted, "supplier": false, "employee": true,
        "client": false,
    });
    if deleted {
        employee["fireDate"] = json!("2025-03-01T00:00:00+02:00");
    } else if index.is_multiple_of(7) {
        employee["fireDate"] = json!({"@xsi:nil": "true"});
    }
    employee
}
