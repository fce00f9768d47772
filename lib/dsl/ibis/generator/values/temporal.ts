/** Days, moments and times of day. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const TEMPORAL = parseTemplates(String.raw`
IntegerValue.as_timestamp | int | {x}.as_timestamp("s") | timestamp | moment | {x} seconds after 1970
DateValue.epoch_days | date | {x}.epoch_days() | int | days | the days from 1970 to {x}
DateValue.delta | date | {x}.delta({y}, unit="day") | int | days | the days from {y} to {x}
DateValue.delta ibis.date | date | {x}.delta(ibis.date(2024, 1, 1), unit="month") | int | months | the months from 1 January 2024 to {x}
DateValue.add ibis.interval | date | {x} + ibis.interval(days=30) | date | due | 30 days after {x}
DateValue.sub ibis.interval | date | {x} - ibis.interval(months=1) | date | month_before | a month before {x}
TimestampValue.add ibis.interval | ts | {x} + ibis.interval(hours=2) | timestamp | later | two hours after {x}
TimestampValue.sub ibis.interval | ts | {x} - ibis.interval(minutes=15) | timestamp | earlier | 15 minutes before {x}
TimestampValue.bucket | ts | {x}.bucket(hours=6) | timestamp | slot | {x} in slots of six hours
TimestampValue.delta ibis.timestamp | ts | {x}.delta(ibis.timestamp("2024-01-01 00:00:00"), unit="hour") | int | hours | the hours from the start of 2024 to {x}
TimestampValue.truncate | ts | {x}.truncate("h") | timestamp | hour | {x} truncated to the hour
TimestampValue.strftime | ts | {x}.strftime("%H:%M") | str | clock | the time of {x} as hours and minutes
StringValue.as_date | day | {x}.strftime("%d.%m.%Y").as_date("%d.%m.%Y") | date | parsed | the day of {x}, written and read again
StringValue.as_timestamp | ts | {x}.strftime("%Y-%m").as_timestamp("%Y-%m") | timestamp | month_start | the start of the month of {x}
StringValue.as_time | ts | {x}.strftime("%H:%M").as_time("%H:%M") | other | minute | the time of {x} to the minute
TimeValue.add ibis.interval | ts | {x}.time() + ibis.interval(hours=1) | other | next_hour | the time of {x} an hour on
TimeValue.sub ibis.interval | ts | {x}.time() - ibis.interval(minutes=30) | other | half_hour_before | the time of {x} half an hour before
TimeValue.delta ibis.time | ts | {x}.time().delta(ibis.time(12, 0, 0), unit="minute") | int | noon | the minutes from noon to the time of {x}
TimestampValue.bucket | ts | {x}.bucket(minutes=15) | timestamp | quarter_hour | {x} in slots of a quarter of an hour
TimestampValue.strftime | ts | {x}.strftime("%A") | str | weekday | the name of the weekday of {x}
DateValue.truncate | date | {x}.truncate("M") | date | month_start | the first day of the month of {x}
DateValue.delta | date | {x}.delta({y}, unit="week") | int | weeks | the weeks from {y} to {x}
TimestampValue.delta | ts | {x}.delta({y}, unit="minute") | int | minutes | the minutes from {y} to {x}
TimestampValue.sub | ts | ({x} - {x}.truncate("D")).cast("string") | str | since_midnight | how long after midnight {x} is, as text
 | day | {x}.day_of_week.full_name() | str | weekday | the name of the weekday of {x}
 | day | {x}.day_of_week.index() | int | weekday | the number of the weekday of {x}, Monday as 0
 | day | {x}.day_of_week.index() >= 5 | bool | weekend | whether {x} is at a weekend
 | day | {x}.iso_year() | int | iso_year | the ISO year of {x}
 | ts | {x}.epoch_seconds() | int | epoch | {x} as seconds since 1970
 | ts | {x}.second() | int | second | the second of {x}
 | ts | {x}.millisecond() | int | millisecond | the millisecond of {x}
 | ts | {x}.time() | time | clock | the time of day of {x}
 | ts | {x}.hour() * 60 + {x}.minute() | int | minute_of_day | the minute of the day of {x}
TimestampValue.date | ts | {x}.date() == ibis.date({day}) | bool | on_day | whether {x} is on {day}
 | time | {x}.hour() | int | hour | the hour of {x}
 | time | {x}.minute() | int | minute | the minute of {x}
 | time | {x}.hour() * 60 + {x}.minute() | int | minutes | {x} as minutes after midnight
 | time | {x}.hour() < 12 | bool | morning | whether {x} is before noon
TimeValue.add ibis.interval | time | {x} + ibis.interval(minutes=30) | time | later | {x} half an hour later
TimeValue.sub ibis.interval | time | {x} - ibis.interval(hours=2) | time | earlier | two hours before {x}
TimeValue.delta ibis.time | time | {x}.delta(ibis.time(8, 0, 0), unit="minute") | int | after_eight | the minutes from 8:00 to {x}
TimestampValue.date | inst | {x}.date() | date | day | the day of {x} in UTC
TimestampValue.truncate | inst | {x}.truncate("h") | other | hour | {x} truncated to the hour
 | inst | {x}.hour() | int | hour | the hour of {x} in UTC
 | inst | {x}.year() | int | year | the year of {x}
TimestampValue.strftime | inst | {x}.strftime("%Y-%m-%d") | str | day | the day of {x} as text
TimestampValue.add ibis.interval | inst | {x} + ibis.interval(days=1) | other | next_day | a day after {x}
Value.cast | inst | {x}.cast("timestamp") | timestamp | local | {x} without its time zone
`);
