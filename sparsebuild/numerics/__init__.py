"""Pure mathematics: functions of numbers and tensors that know no model, file or schedule."""
